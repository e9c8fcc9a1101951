"""Who runs a command: what the ledger keeps of who said or asked something."""

from __future__ import annotations


def find_principal() -> tuple[str, str]:
    """Return who runs this: the account jobs sign in to MLflow with, if it is a person's, and the system's account.

    Where the environment names no person, the first is the system's account too. Nobody asks for that person's
    password here; the system's account is the kernel's word, which no variable of an environment changes.
    """
    import os
    import pwd

    from voxloop.release.roles import SERVICE_ACCOUNT
    from voxloop.settings import read_tracking_credentials

    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a pod may run under a number that no account has
        user = f"uid {os.getuid()}"
    name, _ = read_tracking_credentials()
    return (name if name and name != SERVICE_ACCOUNT else user), user
