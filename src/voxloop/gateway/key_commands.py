"""`voxloop keys`: who may ask the gateway."""

from __future__ import annotations


def add(tenant: str, *, actions: tuple[str, ...] = ("asr", "emotion", "personality")) -> None:
    """Make an API key and print it, once: only its hash is kept.

    Args:
        tenant: Whose it is: letters, digits, dot, dash, underscore.
        actions: What it is for: families to ask, `analyze` to ask them all about a speaker whose profile is kept,
            `metrics` to read the metrics, `label` to label what any key has asked. Give the option once for each.
    """
    from voxloop.errors import InputError
    from voxloop.gateway.keys import PLATFORM, KeyBook
    from voxloop.settings import get_settings, now

    if tenant == PLATFORM:
        raise InputError(f"no key for {tenant}", rule="it is the platform's own tenant", remedy="name another")
    print(KeyBook(get_settings().gateway_keys).add(tenant, tuple(dict.fromkeys(actions)), now()), flush=True)


def list_keys() -> None:
    """Print each key's id, tenant, actions and birth; the keys themselves are nowhere."""
    from voxloop.gateway.keys import KeyBook
    from voxloop.settings import get_settings

    for key in KeyBook(get_settings().gateway_keys).list_keys():
        print(f"{key.key_id}  {key.tenant}  {','.join(key.actions)}  {key.made_at:%Y-%m-%d %H:%M} UTC", flush=True)


def revoke(key_id: str) -> None:
    """Take a key away; a running gateway refuses it from its next request on.

    Args:
        key_id: As `voxloop keys list` prints it; the middle part of the key.
    """
    from voxloop.gateway.keys import KeyBook
    from voxloop.settings import get_settings

    gone = KeyBook(get_settings().gateway_keys).revoke(key_id)
    print(f"{gone.key_id} of {gone.tenant} is revoked", flush=True)
