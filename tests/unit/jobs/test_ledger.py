"""The ledger commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.data.leak_datasets import make_rows, write_rows
from tests.unit.ledger.books import AT, SetOfSpeech, another_tool, make_draft
from voxloop.cli import run_command
from voxloop.ledger.book import Ledger, open_ledger
from voxloop.ledger.looks import LookPolicy, OwnTestSplit, record_look
from voxloop.release.routes import Route, record_route
from voxloop.settings import Settings

POLICY = LookPolicy(looks_per_set=100, looks_per_test_split=366, warn_from_share=0.8)


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


def test_a_test_split_is_a_line_of_the_same_table(book: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    own = OwnTestSplit("emotion", "d" * 64)
    for number in range(2):
        record_look(book, own, challenger=f"m{number}", at=AT, policy=POLICY)
    assert run_command(["ledger", "looks"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [f"emotion/{own.name}", "2", "366", "364"]
    assert run_command(["ledger", "looks", "--task", "asr"]) == 0
    assert own.name not in capsys.readouterr().out


def test_who_was_champion_is_a_table_by_the_ledger(book: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["ledger", "show", "emotion"]) == 0
    assert capsys.readouterr().out == "emotion had no champion yet\n"
    book.append(make_draft(1))
    for day, letter in enumerate("ab", start=20):
        route = Route("emotion", {letter * 64: 1.0}, None, True, "s", None)
        at = datetime(2026, 11, day, 9, tzinfo=UTC)
        record_route(book, route, act=f"route/rollback/{day}", at=at, because=f"for\x1b{letter}", version=day)
    assert run_command(["ledger", "show", "emotion"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table == [
        "2026-11-20 09:00:00  2026-11-21 09:00:00  version 20  aaaaaaaaaaaa  rollback      for?a",
        "2026-11-21 09:00:00  now                  version 21  bbbbbbbbbbbb  rollback      for?b",
    ]
    for asked, lines in {
        "2026-11-21": table,
        "2026-11-20": table[:1],
        "2026-11-22": table[1:],
        "2026-11-21T08:59": table[:1],
        "2026-11-21T10:00+01:00": table[1:],
    }.items():
        assert run_command(["ledger", "show", "emotion", "--at", asked]) == 0
        assert capsys.readouterr().out.splitlines() == lines, asked
    assert run_command(["ledger", "show", "emotion", "--at", "2026-11-19"]) == 0
    assert capsys.readouterr().out == "emotion had no champion then (2026-11-19)\n"
    assert run_command(["ledger", "show", "emotion", "--json", "--at", "2026-11-20"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["until"], found["version"]) == ("a" * 64, "2026-11-21T09:00:00+00:00", 20)
    assert run_command(["ledger", "show", "emotion", "--kind", "route"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 3 entries"
    assert run_command(["ledger", "show", "asr", "--kind", "route"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 of 3 entries"


@pytest.mark.parametrize(
    "arguments", [["emotion", "--at", "yesterday"], ["--at", "2026-11-21"], ["opera"], ["opera", "--at", "2026-11-21"]]
)
def test_a_family_and_a_day_are_known_or_refused(
    settings: Settings, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["ledger", "show", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_of_a_ledger_that_is_not_whole_nobody_is_called_champion(
    settings: Settings, book: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    record_route(book, Route("emotion", {"a" * 64: 1.0}, None, True, "s", None), act="route/x", at=AT)
    with another_tool(settings.ledger) as connection:
        connection.execute("UPDATE ledger_entry SET payload = replace(payload, 'aaaa', 'bbbb')")
    assert run_command(["ledger", "show", "emotion"]) == 4
    assert capsys.readouterr().out == ""


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
