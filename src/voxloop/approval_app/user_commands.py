"""`voxloop users`: who may sign in to MLflow, and what for."""

from __future__ import annotations

from typing import Literal


def add(name: str, *, role: Literal["trainer", "approver", "viewer"], mail: tuple[str, ...] = ()) -> None:
    """Make an account of MLflow and print its password, once: only its hash is kept.

    Args:
        name: Small letters, digits, dot, dash, underscore.
        role: A trainer keeps experiments of its own, an approver says which version may serve, a viewer reads.
        mail: Under which its owner commits, and any other name they have in the system or in Airflow: an approver needs
            one, and approves nothing that one of these names made or asked for. Give the option once for each.
    """
    from voxloop.approval_app.accounts import AccountBook
    from voxloop.release.roles import Role
    from voxloop.settings import get_settings, now

    print(AccountBook(get_settings().mlflow_accounts).add(name, Role(role), mail, now()), flush=True)


def list_users() -> None:
    """Print each account's name, role, mails and birth; the passwords are nowhere."""
    from voxloop.approval_app.accounts import AccountBook
    from voxloop.settings import get_settings

    for one in AccountBook(get_settings().mlflow_accounts).list_accounts():
        print(
            f"{one.name:<20}  {one.role:<8}  {','.join(one.mails) or '-'}  {one.made_at:%Y-%m-%d %H:%M} UTC", flush=True
        )


def remove(name: str) -> None:
    """Take an account away; a running MLflow refuses it from its next request on.

    Args:
        name: As `voxloop users list` prints it.
    """
    from voxloop.approval_app.accounts import AccountBook
    from voxloop.settings import get_settings

    gone = AccountBook(get_settings().mlflow_accounts).remove(name)
    print(f"{gone.name}, {gone.role}, is removed", flush=True)
