"""Tell people what waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxloop.adapters.notice_desk import Delivery, NoticeDesk
    from voxloop.notices.notice import Notice
    from voxloop.settings import Settings

TEMPORARY = 75
"""Exit code of what may go well next time (EX_TEMPFAIL): a destination did not take it."""


def notify(*, test: bool = False) -> int:
    """Tell approvers of each version that waits for their word, with its address and how long an approval stands.

    Where to is a private file of Apprise's addresses, a line each: `approvers=mailto://…`, `on-call=slack://…`
    (docs/notices.md). Each is told once of a version and again every other day (configs/notices.yaml); run twice, it
    tells nothing twice. The DAGs tell the audience on-call of what has failed for good.

    Args:
        test: Send every destination one message to see that it arrives, whatever waits.

    Returns:
        The exit code: 75 when a destination did not take a message.

    Raises:
        ConfigError: The file of destinations or configs/notices.yaml is not acceptable.
        IntegrityError: Others may read the file of destinations, or the ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    from voxloop.ledger.book import open_ledger
    from voxloop.notices.waiting import tell_what_waits
    from voxloop.release.policy import load_release_policy
    from voxloop.settings import get_settings, now

    settings = get_settings()
    if test:
        return _test(settings)
    at = now()
    notices = tell_what_waits(
        open_ledger(settings).read(), mlflow_url=settings.mlflow_url, lasts=load_release_policy().lasts, at=at
    )
    for notice in notices:
        print(notice.title, flush=True)
    if not notices:
        print("nothing waits for an approver", flush=True)
    return _report(open_desk(settings).tell(notices, at=at.timestamp()))


def tell_people(notice: Notice) -> int:
    """Tell people of one thing; return the exit code of `notify`.

    Args:
        notice: Of what, and whom.
    """
    from voxloop.settings import get_settings, now

    return _report(open_desk(get_settings()).tell([notice], at=now().timestamp()))


def open_desk(settings: Settings) -> NoticeDesk:
    """Return what tells people, and say so where there is nobody to tell.

    Raises:
        ConfigError: The file of destinations or configs/notices.yaml is not acceptable.
        IntegrityError: Others may read the file.
    """
    from voxloop.adapters.apprise import read_destinations
    from voxloop.adapters.notice_desk import NoticeDesk
    from voxloop.notices.config import load_notices_config

    config = load_notices_config()
    destinations = read_destinations(settings.notice_destinations_file, seconds=config.seconds)
    if not destinations:
        print(f"nobody is told: {settings.notice_destinations_file} names no destination (docs/notices.md)", flush=True)
    return NoticeDesk(settings.notices, destinations, config)


def _test(settings: Settings) -> int:
    from voxloop.adapters.apprise import read_destinations
    from voxloop.notices.config import load_notices_config
    from voxloop.notices.history import Message

    file = settings.notice_destinations_file
    found = read_destinations(file, seconds=load_notices_config().seconds)
    failed = 0
    for destination in found:
        who = ", ".join(sorted(destination.audiences))
        taken = destination.send(Message("voxloop: a test", f"Notices for {who} arrive here."))
        failed += not taken
        print(f"{'sent' if taken else 'failed'}: {destination}, for {who}", flush=True)
    if not found:
        print(f"nobody is told: {file} names no destination (docs/notices.md)", flush=True)
    return TEMPORARY if failed else 0


def _report(deliveries: list[Delivery]) -> int:
    for delivery in deliveries:
        print(delivery, flush=True)
    return TEMPORARY if any(delivery.state == "failed" for delivery in deliveries) else 0
