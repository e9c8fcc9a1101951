"""The ledger commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.data.leak_datasets import make_rows, write_rows
from tests.unit.ledger.books import AT, SetOfSpeech, another_tool, make_draft
from voxloop.cli import run_command
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.ledger.looks import LookPolicy, record_look
from voxloop.settings import Settings

POLICY = LookPolicy(looks_per_set=100, warn_from_share=0.8)


@pytest.fixture
def book(settings: Settings) -> Ledger:
    return open_ledger(settings)


def test_an_empty_ledger_is_whole(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["ledger", "verify"]) == 0
    assert "ledger whole: 0 entries, in" in capsys.readouterr().out
    assert run_command(["ledger", "show"]) == 0
    assert capsys.readouterr().out == "the ledger is empty\n"
    assert run_command(["ledger", "looks"]) == 0
    assert "there is no evaluation set whose looks are counted" in capsys.readouterr().out
    assert not settings.ledger.exists()


def test_verify_says_how_many_and_the_first_that_is_wrong(
    settings: Settings, book: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        book.append(make_draft(number))
    assert run_command(["ledger", "verify"]) == 0
    assert "ledger whole: 3 entries, the last of 2026-11-21T03:03:00" in capsys.readouterr().out
    with another_tool(settings.ledger) as connection:
        connection.execute("UPDATE ledger_entry SET payload = replace(payload, 'PASS', 'FAIL') WHERE sequence = 2")
    assert run_command(["ledger", "verify"]) == 4
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "the ledger is not whole: entry 2 was changed" in error
    assert "docs/runbooks/ledger.md" in error


def test_show_prints_what_is_asked_for(book: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 31):
        book.append(make_draft(number, kind="look" if number % 10 == 0 else "judgement"))
    assert run_command(["ledger", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "20 of 30 entries"
    assert lines[0].split()[0] == "11"
    assert run_command(["ledger", "show", "--kind", "look", "--limit", "2"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["20", "30", "2"]
    assert run_command(["ledger", "show", "--subject", "model-7", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(json.loads(line)["payload"]) == {"verdict": "PASS", "number": 7}
    assert run_command(["ledger", "show", "--limit", "0"]) == 2


def test_show_shows_a_broken_ledger_too_and_then_says_so(
    settings: Settings, book: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        book.append(make_draft(number))
    with another_tool(settings.ledger) as connection:
        connection.execute("UPDATE ledger_entry SET subject = x'1b5b324a', task = char(27) || '[2J' WHERE sequence = 2")
    for more in ([], ["--json"]):
        assert run_command(["ledger", "show", *more]) == 4
        said = capsys.readouterr()
        assert len(said.out.splitlines()) >= 3
        assert "\x1b" not in said.out
        assert "entry 2 was changed" in said.err


def test_looks_are_a_table_with_the_command_for_a_fresh_set(
    settings: Settings, book: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = write_rows(tmp_path / "dataset", make_rows())
    cut = ["evalset", "cut", "--from", str(dataset), "--domain", "home", "--date"]
    assert run_command([*cut, "2026-11-20"]) == 0
    assert run_command([*cut, "2026-11-20", "--split", "dev"]) == 0
    for number in range(4):
        of = SetOfSpeech(name="street-2026-01-01", domain="street")
        record_look(book, of, challenger=f"m{number}", at=AT, policy=POLICY)
    capsys.readouterr()
    assert run_command(["ledger", "looks", "--set", "looks_per_set=5"]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[1] == ["emotion/home-2026-11-20", "0", "5", "5"]
    assert table[2] == ["emotion/street-2026-01-01", "4", "5", "1"]
    assert " ".join(table[3]).startswith("evaluation set emotion/street-2026-01-01 has 1 of 5 looks left")
    assert " ".join(table[3]).endswith("--task emotion")
    assert len(table) == 4
    assert run_command(["ledger", "looks", "--task", "asr"]) == 0


def test_a_lost_head_is_answered_for_by_name_of_a_reason(
    settings: Settings, book: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    book.append(make_draft(1))
    assert run_command(["ledger", "restore-head", "--because", "no need"]) == 3
    (settings.ledger / "head.json").unlink()
    assert run_command(["ledger", "verify"]) == 4
    assert run_command(["ledger", "restore-head", "--because", " "]) == 2
    assert run_command(["ledger", "restore-head"]) == 2
    assert run_command(["ledger", "restore-head", "--because", "the disk was changed"]) == 0
    assert "entry 2 says why" in capsys.readouterr().out
    assert run_command(["ledger", "verify"]) == 0


def test_tables_can_be_made_beforehand(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert run_command(["ledger", "migrate"]) == 0
    assert "are up to date" in capsys.readouterr().out
    assert run_command(["ledger", "verify"]) == 0
