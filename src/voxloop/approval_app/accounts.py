"""Accounts of MLflow: a name, a role, and the hash of a password of 256 random bits."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.release.roles import SERVICE_ACCOUNT, Role
from voxloop.store.atomic import write_file
from voxloop.store.lock import hold_lock
from voxloop.store.private_files import PrivateFile
from voxloop.store.secret_hashes import hash_secret, is_secret

PEOPLE = (Role.TRAINER, Role.APPROVER, Role.VIEWER)


class Account(StrictModel):
    """An account as it is kept.

    Args:
        name: Small letters, digits, dot, dash, underscore.
        role: What it may do.
        mails: Under which its owner commits: an approver approves nothing it is the author of.
        digest: SHA-256 of the password, hex.
        made_at: When.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9._-]{0,31}$")
    role: Role
    mails: tuple[str, ...] = ()
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    made_at: AwareDatetime

    @property
    def names(self) -> frozenset[str]:
        """All that its owner is known by, in small letters."""
        return frozenset(name.casefold() for name in (self.name, *self.mails))


class _AccountFile(StrictModel):
    accounts: tuple[Account, ...] = ()


class AccountBook:
    """The file of accounts, readable by its owner alone, written beside and renamed.

    Args:
        path: The file; without it there are no accounts.
    """

    def __init__(self, path: Path) -> None:
        self._file = PrivateFile(path, _AccountFile, writer="`voxloop users`")
        self._content: _AccountFile | None = None
        self._accounts: dict[str, Account] = {}

    def list_accounts(self) -> list[Account]:
        """Return all accounts, by name.

        Raises:
            IntegrityError: The file is malformed, or others may read or write it.
        """
        self._refresh()
        return [self._accounts[name] for name in sorted(self._accounts)]

    def add(self, name: str, role: Role, mails: Sequence[str], at: datetime) -> str:
        """Make a person's account and return its password: it is nowhere else.

        Raises:
            InputError: The name is taken or unfit, the role is not a person's, or an approver names no mail.
        """
        if role not in PEOPLE or name == SERVICE_ACCOUNT:
            raise InputError(
                f"an account {name!r} with the role {role}",
                rule=f"{SERVICE_ACCOUNT!r} is what jobs sign in with, and is made when MLflow is started",
                remedy=f"give another name, and one of the roles {', '.join(PEOPLE)}",
            )
        if role is Role.APPROVER and not mails:
            raise InputError(
                f"the approver {name!r} has no mail",
                rule="nobody approves what they trained, and the author of a commit is known by a mail",
                remedy="add --mail, once for each address they commit with",
            )
        with hold_lock(self._file.lock):
            accounts = self.list_accounts()
            if any(account.name == name for account in accounts):
                raise InputError(
                    f"there is an account {name!r}",
                    rule="a password is shown once and a role is not changed",
                    remedy=f"voxloop users remove {name}, then add it again",
                )
            password = secrets.token_urlsafe(32)
            self._write([*accounts, _make(name, role, tuple(mails), password, at)])
        return password

    def remove(self, name: str) -> Account:
        """Take an account away; the server refuses it from its next request on.

        Raises:
            InputError: There is none, or jobs sign in with it.
        """
        with hold_lock(self._file.lock):
            accounts = self.list_accounts()
            gone = next((account for account in accounts if account.name == name), None)
            if gone is None or gone.role is Role.SERVICE:
                raise InputError(
                    f"no person has an account {name[:80]!r}",
                    rule=f"jobs sign in as {SERVICE_ACCOUNT!r}, which stays",
                    remedy="see `voxloop users list`",
                )
            self._write([account for account in accounts if account is not gone])
        return gone

    def ensure_service(self, password_file: Path, at: datetime) -> Account:
        """Return the account of the jobs; it and its password, in a file of its owner's alone, are made when missing.

        Raises:
            IntegrityError: The file of accounts is malformed, or others may use it.
        """
        with hold_lock(self._file.lock):
            accounts = self.list_accounts()
            kept = password_file.read_text(encoding="ascii") if password_file.exists() else ""
            service = self.find(SERVICE_ACCOUNT, kept)
            if service is not None:
                return service
            password = secrets.token_urlsafe(32)
            service = _make(SERVICE_ACCOUNT, Role.SERVICE, (), password, at)
            write_file(password_file, password, mode=0o600)
            self._write([*(one for one in accounts if one.name != SERVICE_ACCOUNT), service])
        return service

    def find(self, name: str, password: str) -> Account | None:
        """Return the account somebody signs in with, None for a wrong name or password; in the same time for both.

        Raises:
            IntegrityError: As `list_accounts`.
        """
        self._refresh()
        kept = self._accounts.get(name)
        return kept if is_secret(password, kept.digest if kept else None) else None

    def has(self, name: str) -> bool:
        """Return whether there is an account of this name."""
        self._refresh()
        return name.casefold() in self._accounts

    def _write(self, accounts: list[Account]) -> None:
        self._file.write(_AccountFile(accounts=tuple(accounts)))

    def _refresh(self) -> None:
        content = self._file.read()
        if content is not self._content:
            self._content = content
            self._accounts = {account.name: account for account in content.accounts} if content else {}


def _make(name: str, role: Role, mails: tuple[str, ...], password: str, at: datetime) -> Account:
    try:
        return Account(name=name, role=role, mails=mails, digest=hash_secret(password), made_at=at)
    except ValidationError as unfit:
        first = unfit.errors(include_url=False)[0]
        raise InputError(
            f"{first['loc'][0]} = {str(first['input'])[:80]!r} of an account", rule=first["msg"], remedy="give another"
        ) from None
