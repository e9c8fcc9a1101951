"""The platform's own key: by it a promotion asks, after its flip, whether a caller is answered by the new model."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from voxloop.gateway.keys import PLATFORM, KeyBook
from voxloop.store.atomic import write_file
from voxloop.tasks import FAMILIES

if TYPE_CHECKING:
    from voxloop.settings import Settings


def keep_service_key(settings: Settings, at: datetime) -> None:
    """See to it that the file has a key that is in the book; an older one of the same tenant is revoked.

    Args:
        settings: Say where both are.
        at: Aware.

    Raises:
        IntegrityError: The book of keys is malformed, or others may use it.
    """
    path, book = settings.gateway_service_key, KeyBook(settings.gateway_keys)
    if path.exists() and book.find(path.read_text(encoding="ascii")) is not None:
        path.chmod(0o600)
        return
    for key in book.list_keys():
        if key.tenant == PLATFORM:
            book.revoke(key.key_id)
    write_file(path, book.add(PLATFORM, FAMILIES, at), mode=0o600)
