"""The ledger in a real PostgreSQL: tables, rights, several machines, tampering by its owner."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import create_engine

from tests.chaos.ledger_writer import read_acknowledged, start_writer
from tests.services.postgres_server import POSTGRES, PostgresServer, running_postgres
from tests.unit.ledger.books import AT, KEY, SetOfSpeech, make_draft
from tests.unit.ledger.revisions import MADE_TOMORROW, TO_YESTERDAY, TOMORROW, become_tomorrow
from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.ledger.looks import LookPolicy, record_look
from voxloop.ledger.revision import VERSION_TABLE
from voxloop.ledger.tables import LedgerTable
from voxloop.settings import Settings

COPY = "SELECT {}, at, kind, task, subject, 'new', payload, previous, sealer, digest FROM ledger_entry LIMIT 1"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def database(server: PostgresServer) -> str:
    """Address of an empty database."""
    name = f"ledger_{secrets.token_hex(4)}"
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.address.replace("/postgres", f"/{name}")


def machine(home: Path, address: str) -> Settings:
    """Settings of a machine with the shared key."""
    home.mkdir(exist_ok=True)
    (home / "runner.key").write_bytes(KEY)
    return Settings(home=home, ledger_url=SecretStr(address))


@pytest.fixture
def book(database: str, tmp_path: Path) -> Ledger:
    book = open_ledger(machine(tmp_path / "home", database))
    assert book.verify() == []
    for number in (1, 2, 3):
        book.append(make_draft(number))
    return book


def test_it_appends_once_and_verifies(book: Ledger, server: PostgresServer, tmp_path: Path) -> None:
    assert book.append(make_draft(2)).sequence == 2
    assert book.append_after(make_draft(4), 2) is None
    assert len(book.verify()) == 3
    with pytest.raises(IntegrityError, match="with other content"):
        book.append(make_draft(2, payload={}))
    kept = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert not any(server.password.encode() in one for one in kept)
    assert [path.name[:5] for path in sorted((tmp_path / "home" / "ledger").iterdir())] == ["head-", "lock"]


def test_unprintable_json_comes_back_as_it_was(book: Ledger) -> None:
    odd = {"nul": "\x00", "é": "\U0001f600", "float": 1e-300, "int": 2**70}
    assert book.append(make_draft(4, payload=odd)).content == odd
    assert book.verify()[3].content == odd


def test_the_migrations_give_the_models(book: Ledger, database: str) -> None:
    engine = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        migrated = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(migrated, LedgerTable.metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET payload = '{}' WHERE sequence = 99",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        f"INSERT INTO ledger_entry {COPY.format(9)}",
        f"INSERT INTO ledger_entry {COPY.format(1)} ON CONFLICT (sequence) DO UPDATE SET payload = '{{}}'",
    ],
)
def test_the_triggers_refuse_every_change_even_to_the_owner(book: Ledger, database: str, statement: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute(statement.encode())
    assert len(book.verify()) == 3


def test_a_user_who_may_only_insert_and_read_is_enough(
    book: Ledger, database: str, server: PostgresServer, tmp_path: Path
) -> None:
    role = f"writer_{secrets.token_hex(4)}"
    with psycopg.connect(database) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hush'")
        owner.execute(f"GRANT SELECT, INSERT ON ledger_entry TO {role}")
        owner.execute(f"GRANT SELECT ON {VERSION_TABLE} TO {role}")
    theirs = database.replace(f"voxloop:{server.password}", f"{role}:hush")
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    writer = open_ledger(machine(tmp_path / "copy", theirs))
    assert writer.append(make_draft(4)).sequence == 4
    assert len(writer.verify()) == 4
    for forbidden in ("UPDATE ledger_entry SET payload = ''", "DELETE FROM ledger_entry", "DROP TABLE ledger_entry"):
        with psycopg.connect(theirs) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(forbidden.encode())


def test_who_may_make_no_tables_is_told_to_ask_the_owner(database: str, server: PostgresServer, tmp_path: Path) -> None:
    role = f"guest_{secrets.token_hex(4)}"
    with psycopg.connect(database) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'hush'")
    theirs = database.replace(f"voxloop:{server.password}", f"{role}:hush")
    with pytest.raises(VoxloopError, match="as the owner: voxloop ledger migrate") as raised:
        open_ledger(machine(tmp_path / "guest", theirs)).append(make_draft(1))
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "UPDATE ledger_entry SET payload = replace(payload, 'PASS', 'FAIL') WHERE sequence = 2",
            "entry 2 was changed",
        ),
        ("DELETE FROM ledger_entry WHERE sequence = 2", "entry 2 was removed"),
        ("DELETE FROM ledger_entry WHERE sequence = 3", "its tail is cut"),
        ("DROP TABLE ledger_entry", "its tail is cut"),
    ],
)
def test_what_the_owner_does_behind_the_triggers_is_seen(
    book: Ledger, database: str, statement: str, named: str
) -> None:
    with psycopg.connect(database) as owner:
        owner.execute("ALTER TABLE ledger_entry DISABLE TRIGGER ALL")
        owner.execute(statement.encode())
    with pytest.raises(IntegrityError, match=named):
        book.verify()


def test_machines_that_share_a_key_share_a_ledger(database: str, tmp_path: Path) -> None:
    homes = [tmp_path / str(number) for number in range(3)]
    first, *joining = (open_ledger(machine(home, database)) for home in homes)
    first.append(make_draft(1))
    for number, book in enumerate(joining):
        with pytest.raises(IntegrityError, match="no head is kept"):
            book.append(make_draft(2))
        assert book.restore_head(f"machine {number} joins", AT).sequence == 2 + number
    writers = [start_writer(machine(home, database), home.name, 15) for home in homes]
    told = [read_acknowledged(writer) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    entries = first.verify()
    assert [entry.sequence for entry in entries] == list(range(1, 49))
    assert sorted(act for acts in told for act in acts) == sorted(entry.act for entry in entries[3:])
    assert all(book.verify() == entries for book in joining)


def test_no_more_looks_get_through_than_are_left(book: Ledger) -> None:
    policy = LookPolicy(looks_per_set=2, looks_per_test_split=2, warn_from_share=1)
    said = [record_look(book, SetOfSpeech(), challenger=f"m{n}", at=AT, policy=policy).is_allowed for n in range(3)]
    assert said == [True, True, False]


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    book = open_ledger(machine(tmp_path / "home", "postgresql://me:hush@127.0.0.1:1/ledger"))
    for attempt in (book.verify, lambda: book.append(make_draft(1))):
        with pytest.raises(ServiceUnavailableError, match="127.0.0.1:1/ledger does not answer") as raised:
            attempt()
        assert "hush" not in str(raised.value)


def test_the_migration_before_is_dumped_restored_and_upgraded(
    book: Ledger, database: str, server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database) as owner:
        owner.execute(TO_YESTERDAY)
    dump = tmp_path / "ledger.dump"
    run_tool("pg_dump", "--format=custom", f"--file={dump}", database)
    name = database.rpartition("/")[2]
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
    run_tool("pg_restore", "--exit-on-error", f"--dbname={database}", str(dump))
    become_tomorrow(monkeypatch, tmp_path / "migrations")
    with pytest.raises(VoxloopError, match="as the owner: voxloop ledger migrate"):
        book.verify()
    book.migrate()
    assert [entry.sequence for entry in book.verify()] == [1, 2, 3]
    assert book.append(make_draft(4)).sequence == 4
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute("DELETE FROM ledger_entry")


def test_tables_of_a_newer_voxloop_are_not_written(book: Ledger, database: str) -> None:
    with psycopg.connect(database) as owner:
        owner.execute(MADE_TOMORROW.encode())
    with pytest.raises(VoxloopError, match=f"newer version of voxloop .revision {TOMORROW}.*use the newer version"):
        book.append(make_draft(4))
    assert len(book.verify()) == 3


def run_tool(name: str, *arguments: str) -> None:
    """Run a tool of the server's own; the test is skipped where it is not installed."""
    if POSTGRES is None or not (tool := Path(POSTGRES).with_name(name)).exists():
        pytest.skip(f"no {name} beside the server")
    subprocess.run([str(tool), *arguments], check=True, capture_output=True)
