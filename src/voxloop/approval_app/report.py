"""What an approver reads: the model card, by the digest of its bytes. Other bytes are not shown under that address."""

from __future__ import annotations

import re

from starlette.responses import Response

from voxloop.approval_app.tracked import Tracked
from voxloop.errors import InputError, RefusedError
from voxloop.release.note import CARD_PAGE, REPORTS
from voxloop.release.versions import CARD_DIGEST, NO_CARD, ModelVersion
from voxloop.store.digests import digest_bytes

ARTIFACT = f"verdict/{CARD_PAGE}"
_ADDRESS = re.compile(REPORTS + r"/([0-9a-f]{64})")
# A card holds pictures and sounds and no script; what else got into one does nothing on MLflow's pages.
HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


def find_asked_report(method: str, path: str) -> str | None:
    """Return the digest of the card a request asks for; None when it asks for something else."""
    found = _ADDRESS.fullmatch(path) if method in ("GET", "HEAD") else None
    return found[1] if found else None


def answer_report(tracked: Tracked, digest: str) -> Response:
    """Return the page.

    Raises:
        InputError: No version names a card of this digest, or none of them has it any more.
    """
    for version in tracked.find_carded(digest):
        content = tracked.read_artifact(version.run_id, ARTIFACT)
        if digest_bytes(content) == digest:
            return Response(content, media_type="text/html; charset=utf-8", headers=HEADERS)
    raise InputError(
        f"no model card {digest[:12]}",
        rule="a card is shown as long as it is what was judged",
        remedy="see the tag voxloop.card_digest of the version; approve nothing whose card has changed",
    )


def require_report(tracked: Tracked, version: ModelVersion) -> None:
    """Raise `RefusedError` when the card of a version, as it can be read now, is not the one it was judged with."""
    card = version.tags.get(CARD_DIGEST, "")
    if card != NO_CARD and digest_bytes(tracked.read_artifact(version.run_id, ARTIFACT)) != card:
        raise RefusedError(
            f"{version} cannot be approved: its model card is not the one that was judged",
            rule="an approver reads what was judged",
            remedy="find out who wrote into MLflow's artifacts; train and register again",
        )
