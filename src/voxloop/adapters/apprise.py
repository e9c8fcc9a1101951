"""Apprise: brings notices to mail, chat and webhooks, by addresses that hold secrets and so lie in a private file.

A line of the file is `audience=URL`, or `audience,audience=URL`, with the URLs of Apprise: `approvers=mailto://…`,
`on-call=slack://…`, `on-call=json://127.0.0.1:9000/hook`. Lines with `#` in front are comments.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxloop.errors import ConfigError
from voxloop.notices.history import Message
from voxloop.notices.notice import Audience
from voxloop.store.digests import digest_json
from voxloop.store.private_files import require_private


@dataclass(frozen=True)
class Destination:
    """Where notices go.

    Args:
        line: Its line in the file, from 1.
        audiences: Who is told there.
        service: What it is, such as Slack.
        key: Names it in files without telling its address.
        sender: Apprise's own object, which knows no other destination.
    """

    line: int
    audiences: frozenset[Audience]
    service: str
    key: str
    sender: Any = field(repr=False)

    def __str__(self) -> str:
        return f"{self.service} (line {self.line})"

    def send(self, message: Message) -> bool:
        """Return whether the destination took a message."""
        try:
            return bool(self.sender.notify(title=message.title, body=message.text, body_format="text"))
        except Exception as failure:  # noqa: BLE001 - a plugin may raise anything, with the address in it: the kind is told
            logging.getLogger(__name__).warning("%s: %s", self, type(failure).__name__)
            return False


def read_destinations(path: Path, *, seconds: float) -> list[Destination]:
    """Return the destinations of a private file; none where there is no file.

    Args:
        path: The file.
        seconds: How long a destination may take.

    Raises:
        ConfigError: A line names nobody, somebody unknown, or no URL of Apprise. The line is told by number alone.
        IntegrityError: Others may read or write the file.
    """
    if not path.exists():
        return []
    require_private(path, rule="addresses of destinations hold passwords")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        _read_line(path, number, line.strip(), seconds)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]


def _read_line(path: Path, number: int, line: str, seconds: float) -> Destination:
    from apprise import Apprise, AppriseAsset

    names, _, url = line.partition("=")
    # By default it stores tokens in a folder of its own, and notifies from an event loop.
    asset = AppriseAsset(secure_logging=True, storage_mode="memory", async_mode=False, service_timeout=seconds)
    server = Apprise.instantiate(url.strip(), asset=asset, suppress_exceptions=True)
    audiences = _read_audiences(path, number, names.split(","))
    if server is None:
        raise _unfit(path, number, "no URL that Apprise knows", "a line is audience=URL, such as approvers=mailto://…")
    sender = Apprise(asset=asset)
    sender.add(server)
    return Destination(number, audiences, str(server.service_name), digest_json([url.strip()])[:16], sender)


def _read_audiences(path: Path, number: int, names: Sequence[str]) -> frozenset[Audience]:
    told = {name.strip() for name in names}
    known = {audience.value for audience in Audience}
    if not told <= known:
        raise _unfit(path, number, "an audience that is not known", f"the audiences are {', '.join(sorted(known))}")
    return frozenset(Audience(name) for name in told)


def _unfit(path: Path, number: int, why: str, rule: str) -> ConfigError:
    return ConfigError(f"{path}, line {number}: {why}", rule=rule, remedy="correct it, then `voxloop notify --test`")
