"""When a page is drawn, where it is kept, and what becomes of it where MLflow is away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs.test_drift import NOON, QUICK, WATCH, log
from tests.unit.monitoring.drift.logs import HOUR
from voxloop.adapters import evidently, mlflow_drift
from voxloop.adapters.evidently import Comparison
from voxloop.cli import run_command
from voxloop.errors import RefusedError, ServiceUnavailableError
from voxloop.jobs.explain import write_page
from voxloop.ledger.book import open_ledger
from voxloop.monitoring.decision_pages import list_decisions
from voxloop.monitoring.drift.check import Finding
from voxloop.monitoring.drift.report_rows import ReportRows
from voxloop.notices.notice import Notice
from voxloop.runners import decide as runner
from voxloop.settings import Settings
from voxloop.store.digests import digest_file

__all__ = ["log"]
PAGE = "episode-20261129T0900Z"


class Drawer:
    """Stands for Evidently and for MLflow, and keeps what they were asked."""

    def __init__(self) -> None:
        self.drawn: list[tuple[ReportRows, Sequence[Finding], str]] = []
        self.logged: list[tuple[str, Path, str]] = []
        self.is_away = False
        self.fails: Exception | None = None

    def draw(self, rows: ReportRows, findings: Sequence[Finding], title: str) -> tuple[str, tuple[Comparison, ...]]:
        self.drawn.append((rows, findings, title))
        if self.fails:
            raise self.fails
        return f"<html>{len(self.drawn)}</html>", tuple(Comparison(one, None, one.is_beyond) for one in findings)

    def record(self, _: Settings, task: str, page: Path, digest: str, tags: object) -> str:
        if self.is_away:
            raise ServiceUnavailableError("MLflow does not answer at x")
        assert digest_file(page) == digest
        self.logged.append((task, page, digest))
        return f"#/experiments/1/runs/r/artifacts/drift/{page.name}"


@pytest.fixture
def drawer(monkeypatch: pytest.MonkeyPatch) -> Drawer:
    drawer = Drawer()
    monkeypatch.setattr(evidently, "draw_page", drawer.draw)
    monkeypatch.setattr(mlflow_drift, "record_page", drawer.record)
    monkeypatch.setattr(runner, "_count_labelled_hours", lambda *_: 0.0)
    return drawer


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    heard: list[Notice] = []
    monkeypatch.setattr("voxloop.jobs.notify.tell_people", heard.append)
    return heard


def watch(at: float = 5 / 60) -> None:
    assert run_command(["drift", "emotion", "--at", (NOON + at * HOUR).isoformat(), *QUICK]) == 0


def decide() -> None:
    assert run_command(["decide", "emotion"]) == 0


def note(log: Settings, name: str = PAGE) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((log.drift / "emotion" / f"{name}.note.json").read_text())
    return read


def test_an_episode_has_one_page_however_often_it_is_watched(log: Settings, drawer: Drawer, told: list[Notice]) -> None:
    watch()
    assert drawer.drawn == [], "a watch alone draws nothing"
    decide()
    page = log.drift / "emotion" / f"{PAGE}.html"
    before = page.read_bytes()
    for _ in range(3):
        watch()
        decide()
    ((rows, findings, title),) = drawer.drawn
    assert page.read_bytes() == before
    assert rows.window.row_count == 300
    assert len(findings) == 38
    assert title == "emotion: 2026-11-29 11:00 to 12:00 UTC beside the whole reference: DRIFT"
    assert [(task, where.name) for task, where, _ in drawer.logged] == [("emotion", f"{PAGE}.html")]
    assert note(log)["same"] == 38
    address = f"{log.mlflow_url}/#/experiments/1/runs/r/artifacts/drift/{PAGE}.html"
    assert all(f"Evidently's page: {address}" in one.text for one in told)
    assert len(told) == 4
    (decision,) = list_decisions(open_ledger(log).read(), "emotion")
    assert decision.content["word"] == "LABEL_MORE"
    assert decision.content["report"]["digest"] == digest_file(page)
    line = f"page {PAGE}.html of Evidently, sha256 {digest_file(page)[:12]}, in MLflow: #/experiments/1"
    assert any(line in told_line for told_line in write_page(open_ledger(log).read(), decision.subject))


def test_without_drift_no_page_is_drawn(log: Settings, drawer: Drawer, told: list[Notice]) -> None:
    watch(-2.9)
    decide()
    assert (drawer.drawn, drawer.logged, told) == ([], [], [])
    assert not list((log.drift / "emotion").glob("*.html"))


def test_where_mlflow_is_away_the_page_stays_and_is_logged_the_next_time(
    log: Settings, drawer: Drawer, told: list[Notice]
) -> None:
    drawer.is_away = True
    watch()
    decide()
    assert f"drift/emotion/{PAGE}.html in the state folder, and not in MLflow: MLflow does not answer" in told[0].text
    (decision,) = list_decisions(open_ledger(log).read(), "emotion")
    assert decision.content["report"]["link"] is None
    drawer.is_away = False
    decide()
    assert len(drawer.drawn) == 1
    assert len(drawer.logged) == 1
    assert "Evidently's page: http" in told[1].text
    assert note(log)["link"].startswith("#/experiments/1")


@pytest.mark.parametrize("fails", [ValueError("no <body>"), RefusedError("0 rows are left"), MemoryError()])
def test_whatever_stops_the_drawing_the_decision_is_made_and_says_so(
    log: Settings, drawer: Drawer, told: list[Notice], fails: Exception
) -> None:
    drawer.fails = fails
    watch()
    decide()
    (decision,) = list_decisions(open_ledger(log).read(), "emotion")
    assert str(fails) in decision.content["report"]["problem"]
    assert decision.content["word"] == "LABEL_MORE"
    assert "There is no page of Evidently: " in told[0].text
    assert any("no page of Evidently" in line for line in write_page(open_ledger(log).read(), decision.subject))
    assert not list((log.drift / "emotion").glob("*.note.json"))
    drawer.fails = None
    decide()
    assert "Evidently's page: http" in told[1].text


def test_a_page_that_was_changed_is_drawn_again(log: Settings, drawer: Drawer, told: list[Notice]) -> None:
    watch()
    decide()
    (log.drift / "emotion" / f"{PAGE}.html").write_text("<html>all is well</html>")
    decide()
    assert len(drawer.drawn) == len(drawer.logged) == 2


def test_a_reference_made_since_the_watch_is_not_what_a_page_shows(
    log: Settings, drawer: Drawer, told: list[Notice]
) -> None:
    watch()
    path = log.drift / "emotion" / "reference.json"
    path.write_text(path.read_text().replace("2026-11-28T00:00:00Z", "2026-11-28T00:00:01Z"))
    decide()
    assert drawer.drawn == []
    assert "the last watch another" in told[0].text


def test_a_policy_that_was_changed_since_the_watch_is_not_what_a_page_shows(
    log: Settings, drawer: Drawer, told: list[Notice]
) -> None:
    watch()
    path = log.drift / "emotion" / "report.json"
    path.write_text(path.read_text().replace("the whole reference", "12:00"))
    decide()
    assert drawer.drawn == []
    assert "the window was held against 12:00, and would be against the whole reference now" in told[0].text


def test_a_person_asks_and_has_the_latest_window(
    log: Settings, drawer: Drawer, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command([*WATCH, "--report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("emotion: RETRAIN: ")
    assert lines[-2].startswith("Evidently's page: http://127.0.0.1:")
    assert lines[-2].endswith("drift/window-20261129T1100Z.html")
    assert run_command([*WATCH, "--report"]) == 0
    assert len(drawer.drawn) == 2, "a person asks, and it is drawn"
    drawer.is_away = True
    assert run_command([*WATCH, "--report"]) == 0
    assert "drift/emotion/window-20261129T1100Z.html in the state folder, and not in MLflow" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "code", "named"),
    [
        (["--at", (NOON + 9 * HOUR).isoformat()], 3, "no window could be told; of the latest: there are no rows"),
        (["--make-reference", "--since", "2026-11-28", "--until", "2026-11-29"], 2, "--report"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    log: Settings, drawer: Drawer, command: list[str], code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run_command(["drift", "emotion", "--report", *command, *QUICK]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
