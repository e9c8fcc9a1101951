"""Have the page of a window drawn, kept and logged: once an episode of drift, and whenever a person asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxloop.errors import IntegrityError, RefusedError, VoxloopError

if TYPE_CHECKING:
    from voxloop.monitoring.drift.policy import DriftPolicy
    from voxloop.monitoring.drift.report_note import ReportNote


@dataclass(frozen=True)
class DrawnPage:
    """A page, or why there is none.

    Args:
        task: Family.
        note: What is known of the page; None where it could not be drawn.
        problem: Why there is none, or why MLflow has it not; empty where all is well.
    """

    task: str
    note: ReportNote | None
    problem: str = ""

    def as_page(self) -> dict[str, Any]:
        """Return what the ledger keeps of it."""
        if self.note is None:
            return {"problem": self.problem}
        return {"name": self.note.name, "digest": self.note.digest, "link": self.note.link, "problem": self.problem}

    def tell(self, mlflow_url: str) -> str:
        """Return it as one line.

        Args:
            mlflow_url: Where MLflow answers.
        """
        if self.note is None:
            return f"There is no page of Evidently: {self.problem}"
        if self.note.link is None:
            return (
                f"Evidently's page is drift/{self.task}/{self.note.name}.html in the state folder, and not in MLflow: "
                f"{self.problem}"
            )
        return f"Evidently's page: {mlflow_url}/{self.note.link}"


def report_episode(task: str, policy: DriftPolicy, report: Mapping[str, Any], begin: datetime) -> DrawnPage:
    """Have the page of an episode drawn unless it is there, and logged unless it is. No failure leaves this function.

    Args:
        task: Family.
        policy: How many rows are taken.
        report: Of the watch that asks for a retraining.
        begin: Of the episode, aware.
    """
    from voxloop.monitoring.drift.report_note import name_episode_page, read_note
    from voxloop.settings import get_settings

    name = name_episode_page(begin)
    try:
        note = read_note(get_settings().drift / task, name) or _draw(task, policy, report, name)
        return log_page(task, note)
    except VoxloopError as failed:
        return DrawnPage(task, None, failed.problem)
    except Exception as crash:  # noqa: BLE001 - whatever Evidently runs into, the decision is made
        return DrawnPage(task, None, f"{type(crash).__name__}: {str(crash)[:200]}")


def report_window(task: str, policy: DriftPolicy, report: Mapping[str, Any]) -> DrawnPage:
    """Have the page of the latest window that could be told drawn anew, and logged.

    Args:
        task: Family.
        policy: How many rows are taken.
        report: Of a watch.

    Raises:
        InputError: There is no reference, or it cannot be read.
        RefusedError: No window could be told, or the rows are gone.
    """
    from voxloop.monitoring.drift.report_note import name_window_page

    name = name_window_page(datetime.fromisoformat(_choose_window(report)["start"]))
    return log_page(task, _draw(task, policy, report, name))


def log_page(task: str, note: ReportNote) -> DrawnPage:
    """Log a page to MLflow unless it is there; where MLflow is away it stays as it is, and the next time tries again.

    Args:
        task: Family.
        note: What is known of the page.
    """
    from voxloop.adapters.mlflow_drift import record_page
    from voxloop.monitoring.drift.report_note import PAGE_SUFFIX, write_note
    from voxloop.settings import get_settings

    if note.link is not None:
        return DrawnPage(task, note)
    settings = get_settings()
    folder = settings.drift / task
    tags = {"voxloop.drift_window": note.start.isoformat(), "voxloop.drift_page_name": note.name}
    try:
        link = record_page(settings, task, folder / f"{note.name}{PAGE_SUFFIX}", note.digest, tags)
    except VoxloopError as failed:
        return DrawnPage(task, note, failed.problem)
    logged = note.model_copy(update={"link": link})
    write_note(folder, logged)
    return DrawnPage(task, logged)


def _draw(task: str, policy: DriftPolicy, report: Mapping[str, Any], name: str) -> ReportNote:
    from voxloop.adapters.evidently import draw_page
    from voxloop.monitoring.drift.check import Finding
    from voxloop.monitoring.drift.holding import hold_against
    from voxloop.monitoring.drift.profile_file import read_reference
    from voxloop.monitoring.drift.report_note import ReportNote, write_page
    from voxloop.monitoring.drift.report_rows import read_report_rows
    from voxloop.settings import get_settings
    from voxloop.store.digests import digest_bytes

    settings = get_settings()
    folder = settings.drift / task
    reference = read_reference(folder / "reference.json", task)
    _require_same(report, reference.since, reference.until, folder)
    window = _choose_window(report)
    start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
    if (name_held := hold_against(reference, policy, start, end).name) != window["held_against"]:
        raise IntegrityError(
            f"the window was held against {window['held_against']}, and would be against {name_held} now",
            rule="a page shows a window beside what it was held against",
            remedy="watch again: voxloop drift",
        )
    rows = read_report_rows(settings.predictions, reference, policy, start, end)
    title = f"{task}: {start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC beside {window['held_against']}: {window['outcome']}"
    drawn, comparisons = draw_page(rows, [Finding(**finding) for finding in window["findings"]], title)
    page = drawn.encode()
    note = ReportNote(
        name=name,
        start=start,
        end=end,
        digest=digest_bytes(page),
        same=sum(one.is_same for one in comparisons),
        others=tuple(str(one) for one in comparisons if not one.is_same),
        said=rows.said,
    )
    write_page(folder, note, page)
    return note


def _choose_window(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the latest window of which something could be told."""
    told = [window for window in report["windows"] if window["findings"]]
    if not told:
        reasons = report["windows"][-1]["reasons"]
        raise RefusedError(
            f"no window could be told; of the latest: {reasons[0] if reasons else 'nothing'}",
            rule="a page shows what the quick check has measured",
            remedy="look at another time with --at",
        )
    latest: Mapping[str, Any] = max(told, key=lambda window: str(window["start"]))
    return latest


def _require_same(report: Mapping[str, Any], since: datetime, until: datetime, folder: Path) -> None:
    """Raise `IntegrityError` unless the watch was held against this reference."""
    held = tuple(datetime.fromisoformat(report["reference"][name]) for name in ("since", "until"))
    if held != (since, until):
        raise IntegrityError(
            f"{folder} has a reference of {since.isoformat()} to {until.isoformat()}, the last watch another",
            rule="a page shows a window beside the reference it was held against",
            remedy="watch again: voxloop drift",
        )
