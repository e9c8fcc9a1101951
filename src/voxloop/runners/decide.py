"""Decide what is done about the drift that the last watch told of: `voxloop decide`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError, VoxloopError
from voxloop.monitoring.decision import Choice, Facts, Word, choose
from voxloop.monitoring.past_runs import Learned, PastRun, find_newest_trained, list_past_runs
from voxloop.settings import get_settings, now

if TYPE_CHECKING:
    from voxloop.jobs.drift_report import DrawnPage
    from voxloop.ledger.entry import Entry
    from voxloop.monitoring.drift.policy import DriftPolicy

DECISION_NAME = "decision.json"


def decide(task: str, *, overrides: Overrides = ()) -> str:
    """Say what is done about the drift that the last `voxloop drift` told of: RETRAIN, WAIT, LABEL_MORE or ALERT.

    Held against each other: how far production has drifted; how much labelled speech there is that the last
    retraining has not learned from (the corpus is ingested, and the retraining takes that from the job store); what the
    learning curve of past runs lets expect of it; and what that costs (configs/drift, section `decision`). What is not
    known never speaks for a retraining. Labels of `/v1/feedback` tell how much worse the champion's answers are than
    when it was promoted; they ask for no retraining, but where none is asked for, an alarming loss is an ALERT, also
    without drift. The decision is an entry of the ledger, which `voxloop explain` shows;
    `drift/<task>/decision.json` in the state folder has it too. Of an episode Evidently draws a page, once, which is
    logged to MLflow. LABEL_MORE and ALERT are told to people on call, with its address. Nothing is started.

    Args:
        task: Family.
        overrides: Changes to configs/drift/<task>.yaml.

    Returns:
        The word.

    Raises:
        InputError: There is no such family, or it was not watched yet.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.drift.policy import DriftPolicy
    from voxloop.runners.production_loss import find_production_loss
    from voxloop.store.atomic import write_file
    from voxloop.tasks import require_task

    require_task(task)
    policy = load_config(DriftPolicy, find_config("drift", task), overrides)
    report = _read_report(task)
    told, settings, at = report["decision"], get_settings(), now()
    loss = find_production_loss(task, policy.labels, settings, at)
    if told["is_triggered"]:
        entries = open_ledger(settings).read()
        facts, begin = loss.complete(gather_facts(task, policy, report, entries)), told["episode"]
    else:
        facts = loss.complete(Facts(False, tuple(told["reasons"])))
        begin = None if loss.since is None else loss.since.isoformat()
    choice = choose(policy.decision, facts)
    if choice.word is not Word.WAIT:
        _write_down(task, policy, report, choice, facts, begin, at)
    said = {"episode": told["episode"], "arguments": policy.decision.arguments, "loss": loss.as_report()}
    content = json.dumps({**said, "word": choice.word, "reasons": choice.reasons}, indent=2)
    write_file(settings.drift / task / DECISION_NAME, content + "\n")
    print(f"{task}: {choice.word}: {'; '.join(choice.reasons)}", flush=True)
    return choice.word


def gather_facts(task: str, policy: DriftPolicy, report: Mapping[str, Any], entries: Sequence[Entry]) -> Facts:
    """Return what is known of an episode of drift.

    Args:
        task: Family.
        policy: What a retraining takes.
        report: Of the last watch.
        entries: All of the ledger.

    Raises:
        ServiceUnavailableError: The corpus cannot be read now.
    """
    from voxloop.monitoring.learning_curve import count_amounts, fit_curve
    from voxloop.monitoring.retraining import list_retrainings

    runs = list_past_runs(list_retrainings(entries, task))
    learned = _of_measure([run.learned for run in runs if run.learned and run.learned.error is not None], task)
    there = _count_labelled_hours(task, policy.decision.arguments)
    hours, errors = [one.hours for one in learned], [float(one.error or 0) for one in learned]
    curve, gain = fit_curve(hours, errors), None
    last = find_newest_trained(runs)
    if curve and there is not None and last and last.learned and last.learned.labelled_hours:
        share = last.learned.hours / last.learned.labelled_hours
        gain = curve.gain(last.learned.hours, there * share)
    taken = sorted(one.gpu_hours for one in learned if one.gpu_hours is not None)
    return Facts(
        is_told=True,
        told=tuple(report["decision"]["reasons"]),
        drift_size=measure_drift(report),
        new_hours=_count_new_hours(there, last),
        amounts=count_amounts(hours),
        expected_gain=gain,
        gpu_hours=taken[len(taken) // 2] if taken else None,
    )


def measure_drift(report: Mapping[str, Any]) -> float | None:
    """Return the greatest distance beyond its threshold, in thresholds; None without one.

    Args:
        report: Of a watch.
    """
    looked_at = set(report["decision"]["windows"])
    findings = [one for window in report["windows"] if window["start"] in looked_at for one in window["findings"]]
    beyond = [one["value"] / one["threshold"] for one in findings if one["value"] > one["threshold"] > 0]
    return max(beyond, default=None)


def _write_down(
    task: str,
    policy: DriftPolicy,
    report: Mapping[str, Any],
    choice: Choice,
    facts: Facts,
    begin: str | None,
    at: datetime,
) -> None:
    """Have the decision in the ledger, its page drawn, and people told where it is theirs.

    Args:
        begin: Of the drift; of the champion's reign where only its loss is alarming.
    """
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.decision_pages import find_said, name_episode, record_decision

    ledger, episode, stands = (
        open_ledger(get_settings()),
        name_episode(task, str(begin)),
        timedelta(hours=policy.cool_down_hours),
    )
    said = find_said(ledger.read(), episode, choice.word, since=at - stands)
    drawn = _draw_page(task, policy, report, facts, said.content["episode"] if said else episode.episode)
    seen = drawn.tell(get_settings().mlflow_url)
    print(seen, flush=True)
    page = record_decision(
        ledger, episode, choice, facts, policy.decision, report=drawn.as_page(), stands=stands, at=at
    )
    print(f"ledger entry {page.sequence}, of {page.at[:19]} UTC; {episode.retrain_id}", flush=True)
    if choice.word in (Word.LABEL_MORE, Word.ALERT):
        _tell(task, choice, facts, seen, episode.retrain_id)


def _draw_page(task: str, policy: DriftPolicy, report: Mapping[str, Any], facts: Facts, episode: str) -> DrawnPage:
    """Have Evidently's page of the episode; there is none of a loss without drift."""
    from voxloop.jobs.drift_report import DrawnPage, report_episode
    from voxloop.monitoring.decision_pages import read_begin

    if not facts.is_told:
        return DrawnPage(task, None, "nothing has drifted, and labels alone tell of the loss")
    return report_episode(task, policy, report, read_begin(episode))


def _tell(task: str, choice: Choice, facts: Facts, seen: str, retrain_id: str) -> None:
    from voxloop.jobs.notify import tell_people
    from voxloop.notices.notice import Audience, Notice

    lines = [*choice.reasons, seen, f"See voxloop explain {retrain_id}, and docs/runbooks/drift_watch.md."]
    what = "has drifted" if facts.is_told else "is worse in production than when it was promoted"
    title = f"voxloop: {task} {what}: {choice.word}"
    tell_people(Notice(Audience.ON_CALL, f"decision/{task}/{choice.word}", title, "\n".join(lines)))


def _of_measure(learned: Sequence[Learned], task: str) -> list[Learned]:
    """Return those whose error is of the family's objective."""
    from voxloop.tasks import get_task

    return [one for one in learned if one.measure == get_task(task).OBJECTIVE.name]


def _count_new_hours(there: float | None, last: PastRun | None) -> float | None:
    """Return what the last retraining has not learned from: all of it where there was none, None where nobody knows."""
    if there is None or last is None:
        return there
    known = last.learned.labelled_hours if last.learned else None
    return None if known is None else max(0.0, there - known)


def _count_labelled_hours(task: str, config: str) -> float | None:
    """Return the labelled hours of the corpus that a retraining would read; None where they cannot be known here."""
    from voxloop.data.labelled_hours import measure_labelled_hours
    from voxloop.jobs.ingest import ingest
    from voxloop.runners.compile import read_arguments

    arguments = read_arguments("training", config, (f"task={task}",))
    path = Path(arguments["corpus_path"]) if arguments["corpus_path"] else None
    scratch = get_settings().home / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="decide-") as place:
        try:
            changes = tuple(arguments["corpus_overrides"])
            dataset = ingest(path, out=Path(place) / "dataset", corpus=arguments["corpus"], overrides=changes)
            return measure_labelled_hours(dataset, task)
        except VoxloopError as unreadable:
            if unreadable.transient:
                raise
            print(f"the labelled hours are not known: {unreadable.problem}", flush=True)
            return None


def _read_report(task: str) -> dict[str, Any]:
    path = get_settings().drift / task / "report.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as unreadable:
        raise InputError(
            f"{path} cannot be read ({unreadable})",
            rule="what is decided about is the last watch",
            remedy=f"voxloop drift {task} writes it",
        ) from None
    return report
