"""The commands freeze, unfreeze and rollback, as far as no server is asked."""

from __future__ import annotations

import pytest

from tests.unit.ledger.books import AT
from voxloop.cli import run_command
from voxloop.ledger.book import open_ledger
from voxloop.release.routes import Route, record_route
from voxloop.settings import Settings


def test_a_freeze_is_said_kept_and_ended(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["freeze", "emotion", "--until", "2999-12-27", "--because", "the fair"]) == 0
    assert "emotion is frozen until 2999-12-27 00:00 UTC: the fair" in capsys.readouterr().out
    for said in ("emotion is no longer frozen\n", "emotion was not frozen\n"):
        assert run_command(["unfreeze", "emotion", "--because", "over"]) == 0
        assert capsys.readouterr().out == said
    assert [entry.kind for entry in open_ledger(settings).verify()] == ["freeze", "unfreeze"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["freeze", "emotion", "--until", "tomorrow", "--because", "x"],
        ["freeze", "emotion", "--until", "2020-01-01", "--because", "x"],
        ["freeze", "emotion", "--until", "2999-01-01", "--because", " "],
        ["freeze", "emotion", "--until", "2999-01-01"],
        ["freeze", "opera", "--until", "2999-01-01", "--because", "x"],
        ["unfreeze", "opera", "--because", "x"],
        ["rollback", "opera", "--because", "x"],
        ["rollback", "emotion"],
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    settings: Settings, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert open_ledger(settings).read() == []


def test_without_a_server_a_rollback_is_refused_and_nothing_is_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["rollback", "emotion", "--because", "x"]) == 3
    assert "emotion has no champion" in capsys.readouterr().err
    record_route(
        open_ledger(settings), Route("emotion", {"a" * 64: 1.0}, None, True, "s", "b" * 64), act="route/x", at=AT
    )
    monkeypatch.setattr("voxloop.adapters.triton_ready.SECONDS", 0.2)
    assert run_command(["rollback", "emotion", "--because", "x"]) == 75
    assert "Triton does not answer" in capsys.readouterr().err
    assert len(open_ledger(settings).read()) == 1
