"""Accounts: a password is shown once, kept as a hash, and a file that others may read is none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from voxloop.adapters.mlflow_sign_in import find_credentials
from voxloop.approval_app.accounts import AccountBook
from voxloop.cli import run_command
from voxloop.errors import InputError, IntegrityError
from voxloop.release.roles import SERVICE_ACCOUNT, Role
from voxloop.settings import Settings

AT = datetime(2026, 11, 29, tzinfo=UTC)
MAIL = ("Ann@Example.org",)


@pytest.fixture
def book(tmp_path: Path) -> AccountBook:
    return AccountBook(tmp_path / "accounts.json")


def test_a_password_is_nowhere_but_with_its_owner(book: AccountBook, tmp_path: Path) -> None:
    password = book.add("ann", Role.APPROVER, MAIL, AT)
    assert len(password) == 43
    assert password not in (tmp_path / "accounts.json").read_text()
    assert (tmp_path / "accounts.json").stat().st_mode & 0o777 == 0o600
    found = book.find("ann", password)
    assert found is not None
    assert found.role is Role.APPROVER
    assert found.names == {"ann", "ann@example.org"}
    assert [book.find("ann", wrong) for wrong in ("", password[:-1], password + "x")] == [None] * 3
    assert book.find("ben", password) is None


def test_another_process_sees_what_was_added_and_removed(book: AccountBook, tmp_path: Path) -> None:
    running = AccountBook(tmp_path / "accounts.json")
    password = book.add("ben", Role.VIEWER, (), AT)
    assert running.find("ben", password) is not None
    book.remove("ben")
    assert running.find("ben", password) is None
    with pytest.raises(InputError, match="no person has an account 'ben'"):
        book.remove("ben")


@pytest.mark.parametrize(
    ("name", "role", "mails", "message"),
    [
        ("service", Role.TRAINER, (), "what jobs sign in with"),
        ("ann", Role.SERVICE, (), "what jobs sign in with"),
        ("ann", Role.APPROVER, (), "has no mail"),
        ("Ann", Role.VIEWER, (), "name = 'Ann'"),
        ("a:b", Role.VIEWER, (), "name = 'a:b'"),
        ("taken", Role.VIEWER, (), "there is an account 'taken'"),
    ],
)
def test_what_is_no_account(book: AccountBook, name: str, role: Role, mails: tuple[str, ...], message: str) -> None:
    book.add("taken", Role.VIEWER, (), AT)
    with pytest.raises(InputError, match=message):
        book.add(name, role, mails, AT)
    assert [one.name for one in book.list_accounts()] == ["taken"]


def test_a_file_that_others_may_read_holds_no_accounts(book: AccountBook, tmp_path: Path) -> None:
    password = book.add("ann", Role.TRAINER, (), AT)
    (tmp_path / "accounts.json").chmod(0o644)
    with pytest.raises(IntegrityError, match=r"may be used by others \(mode 644\)"):
        AccountBook(tmp_path / "accounts.json").find("ann", password)


def test_jobs_sign_in_with_the_service_unless_the_environment_names_a_person(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    assert find_credentials(settings) is None
    book = AccountBook(settings.mlflow_accounts)
    made = book.ensure_service(settings.mlflow_service_password, AT)
    assert book.ensure_service(settings.mlflow_service_password, AT) == made
    found = find_credentials(settings)
    assert found is not None
    assert book.find(found.name, found.password) == made
    assert found.password not in repr(found)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", SERVICE_ACCOUNT)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "of another server")
    assert find_credentials(settings) == found
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    person = find_credentials(settings)
    assert person is not None
    assert (person.name, person.password) == ("ann", "of another server")


def test_the_password_file_is_the_owners_alone_and_a_lost_one_is_made_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    book, file = AccountBook(settings.mlflow_accounts), settings.mlflow_service_password
    first = book.ensure_service(file, AT)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(IntegrityError, match="may be used by others"):
        find_credentials(settings)
    file.unlink()
    second = book.ensure_service(file, AT)
    assert second.digest != first.digest
    assert book.find(SERVICE_ACCOUNT, file.read_text()) == second


def test_the_commands_show_a_password_once(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["users", "add", "ann", "--role", "approver", "--mail", "ann@example.org"]) == 0
    password = capsys.readouterr().out.strip()
    assert AccountBook(settings.mlflow_accounts).find("ann", password) is not None
    assert run_command(["users", "list"]) == 0
    assert capsys.readouterr().out.split()[:3] == ["ann", "approver", "ann@example.org"]
    for wrong in (["add", "ben", "--role", "admin"], ["add", "ben", "--role", "approver"], ["remove", "ben"]):
        assert run_command(["users", *wrong]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("voxloop: ")
    assert run_command(["users", "remove", "ann"]) == 0
    assert AccountBook(settings.mlflow_accounts).list_accounts() == []
