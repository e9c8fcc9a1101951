"""Try an approved version on a few callers, or on nobody: it takes over or goes by what the prediction log says."""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError, RefusedError, VoxloopError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voxloop.ledger.book import Ledger
    from voxloop.ledger.entry import Entry
    from voxloop.monitoring.canary_judgement import RuleFinding
    from voxloop.monitoring.canary_rules import CanaryConfig
    from voxloop.release.canary_plan import CanaryPlan
    from voxloop.settings import Settings
    from voxloop.verdict import Verdict

LONGEST_REASON = 400
_PERIOD = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def canary(
    task: str,
    *,
    version: int | None = None,
    percent: float = 5.0,
    period: Annotated[str, Parameter(name="--for")] = "30m",
    abort_if: tuple[str, ...] = (),
    abort: Annotated[bool, Parameter(negative=())] = False,
    overrides: Overrides = (),
) -> int:
    """Try an approved version on a share of the callers; by the rules given it takes over at the end, or goes.

    The version is verified, staged, loaded and probed as `deploy` does; then one route row gives it its share, or asks
    it as a shadow. The rows that both models leave in the prediction log are looked at again and again. A rule that is
    broken for sure aborts at once: the route before comes back. At the end every rule must hold for sure; then the
    version is promoted, else it goes too: what cannot be told promotes nothing. What went is approved no more: a person
    says so again before it serves. Meanwhile `deploy` leaves the family alone. Killed, the same command goes on; nobody
    comes back, `reconcile` or `deploy` aborts it a quarter of an hour after its end.

    Args:
        task: Family of the model.
        version: The version to try; it must be approved. The newest that may take over when None.
        percent: Of the callers, below 100; 0 asks it beside the champion, and its answers reach nobody.
        period: How long, such as `90s`, `30m` or `2h`.
        abort_if: What is too bad: `errors>1%`, `latency_p95>1.5x`, `latency_p95>200ms`, `distribution>10%`; of a
            shadow also `agreement<90%`. Give the option once for each; at least one.
        abort: End the canary that is in force, whoever watches it.
        overrides: Changes to configs/canary.yaml.

    Returns:
        0 when the version took over, 1 when it went.

    Raises:
        InputError: There is no rule, or one that cannot be read or told; there is no such version.
        RefusedError: The version may not be deployed, the family is frozen, or another canary or promotion goes on.
        IntegrityError: As `deploy`.
        ServiceUnavailableError: MLflow, Triton or the ledger does not answer; the same command goes on.
    """
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.canary_rules import CanaryConfig, parse_rules
    from voxloop.monitoring.prediction import LABEL
    from voxloop.settings import get_settings
    from voxloop.tasks import get_task, require_task

    require_task(task)
    settings = get_settings()
    if abort:
        return _abort_standing(open_ledger(settings), task)
    config = load_config(CanaryConfig, find_config("canary"), overrides)
    has_labels = get_task(task).NAME == LABEL
    parse_rules(abort_if, is_shadow=percent == 0, has_labels=has_labels)
    _check_share(percent)
    row = _begin(settings, task, version, percent / 100, _read_period(period), abort_if)
    return _watch(settings, row, config, has_labels=has_labels)


def _begin(
    settings: Settings, task: str, version: int | None, share: float, period: timedelta, rules: tuple[str, ...]
) -> Entry:
    """Return the route row of the canary: one that is in force already, or a new one."""
    from voxloop.jobs.deploy import choose, describe, tell
    from voxloop.jobs.release_platform import hold_platform
    from voxloop.release.approvals import require_approval
    from voxloop.release.canary import start_canary
    from voxloop.release.canary_plan import CanaryPlan, read_plan
    from voxloop.release.champion import find_champion
    from voxloop.release.promotion import try_out
    from voxloop.release.reconciliation import prepare
    from voxloop.release.routes import find_route_row

    with (
        hold_platform(settings) as platform,
        tempfile.TemporaryDirectory(prefix="voxloop-canary-") as place,
    ):
        tell(prepare(platform, task))
        champion = find_champion(platform.registry, platform.ledger, task)
        row_before = find_route_row(platform.ledger.read(), task)
        standing = read_plan(row_before)
        number = version if version is not None or standing is None else standing.version
        chosen = choose(
            platform, champion, task=task, number=number, canary=row_before.sequence if row_before else None
        )
        if chosen is None or champion is None:
            raise RefusedError(
                f"{task} has nothing to try",
                rule="an approved version is held against a champion",
                remedy="approve a version; the first champion comes by `voxloop deploy`",
            )
        if standing is None:
            _, shown = try_out(platform, chosen, champion, workplace=Path(place))
            print(f"{chosen} is loaded: {describe(shown)}", flush=True)
        require_approval(platform.ledger.read(), chosen)
        at = platform.clock()
        plan = CanaryPlan(
            version=chosen.number,
            candidate=chosen.model_digest,
            champion=champion.model_digest,
            share=share,
            until=(at + period).isoformat(timespec="seconds"),
            rules=rules,
            after=0,
        )
        row = start_canary(platform.ledger, task, plan, at=at)
    kept = read_plan(row)
    said = "goes on" if standing else "begins"
    print(
        f"{task}: the canary of {chosen} {said}, until {kept.until if kept else '?'}, by entry {row.sequence}",
        flush=True,
    )
    return row


def _watch(settings: Settings, row: Entry, config: CanaryConfig, *, has_labels: bool) -> int:
    """Look until the end, and end it."""
    from voxloop.ledger.book import open_ledger
    from voxloop.release.approvals import find_given
    from voxloop.release.canary_plan import read_plan
    from voxloop.settings import now
    from voxloop.verdict import Verdict

    plan, ledger = read_plan(row), open_ledger(settings)
    if plan is None:
        raise RefusedError(f"ledger entry {row.sequence} is no canary", rule="one was begun", remedy="begin it again")
    look = _Look(settings, row, plan, config, has_labels)
    while (left := (plan.ends - now()).total_seconds()) > 0:
        time.sleep(min(left, config.look_seconds))
        if not _is_in_force(ledger, row):
            return _tell_overtaken(row)
        if find_given(ledger.read(), row.task, plan.version) is None:
            return _go_back(ledger, row, ["its approval was taken back"])
        verdict, findings = look.take(config.early_level)
        if verdict is Verdict.FAIL:
            return _go_back(ledger, row, findings)
    time.sleep(config.settle_seconds)
    if not _is_in_force(ledger, row):
        return _tell_overtaken(row)
    verdict, findings = look.take(config.level)
    if verdict is not Verdict.PASS:
        return _go_back(ledger, row, findings)
    return _take_over(settings, ledger, row, plan, findings)


@dataclass(frozen=True)
class _Look:
    """A look at what both models have left in the prediction log."""

    settings: Settings
    row: Entry
    plan: CanaryPlan
    config: CanaryConfig
    has_labels: bool

    def take(self, level: float) -> tuple[Verdict, list[str]]:
        """Return what all rules say together, and what each says."""
        from voxloop.monitoring.canary_judgement import judge_canary
        from voxloop.monitoring.canary_rows import COLUMNS, sort_rows
        from voxloop.monitoring.canary_rules import parse_rules
        from voxloop.monitoring.prediction_log import read_window
        from voxloop.settings import now
        from voxloop.verdict import Verdict

        begun = datetime.fromisoformat(self.row.at)
        window = read_window(
            self.settings.predictions, self.row.task, begun, max(now(), begun + timedelta(seconds=1)), columns=COLUMNS
        )
        rules = parse_rules(self.plan.rules, is_shadow=self.plan.share == 0, has_labels=self.has_labels)
        rows = sort_rows(
            window.table, route=self.row.sequence, candidate=self.plan.candidate, champion=self.plan.champion
        )
        findings: Sequence[RuleFinding] = judge_canary(rows, rules, self.config, level=level)
        verdicts, texts = [one.verdict for one in findings], [one.text for one in findings]
        if not window.is_whole:
            verdicts.append(Verdict.CANNOT_TELL)
            texts.append(f"the prediction log is not whole: {window.lost} rows lost, {len(window.unreadable)} files")
        return Verdict.combine(verdicts), texts


def _take_over(settings: Settings, ledger: Ledger, row: Entry, plan: CanaryPlan, findings: list[str]) -> int:
    """Promote the candidate; refused, or at fault, it goes."""
    from voxloop.jobs.deploy import choose
    from voxloop.jobs.release_platform import hold_platform
    from voxloop.release.champion import find_champion
    from voxloop.release.promotion import promote

    try:
        with (
            hold_platform(settings) as platform,
            tempfile.TemporaryDirectory(prefix="voxloop-canary-") as place,
        ):
            champion = find_champion(platform.registry, platform.ledger, row.task)
            chosen = choose(platform, champion, task=row.task, number=plan.version, canary=row.sequence)
            if chosen is None or not _is_in_force(ledger, row):
                return _tell_overtaken(row)
            promote(platform, chosen, workplace=Path(place), canary=row.sequence)
    except VoxloopError as problem:
        if not problem.transient:
            _go_back(ledger, row, [problem.problem])
        raise
    _tell(findings)
    print(f"{chosen} takes over, served as {chosen.serving_name}", flush=True)
    return 0


def _go_back(ledger: Ledger, row: Entry, findings: list[str]) -> int:
    from voxloop.release.canary import end_canary
    from voxloop.settings import now

    because = ("canary aborted: " + "; ".join(findings))[:LONGEST_REASON]
    _tell(findings)
    back = end_canary(ledger, row, because=because, at=now())
    if back is None:
        return _tell_overtaken(row)
    print(
        f"{row.task}: the canary is aborted, the route before is in force by ledger entry {back.sequence}; "
        "what was tried is approved no more",
        flush=True,
    )
    return 1


def _abort_standing(ledger: Ledger, task: str) -> int:
    from voxloop.release.canary_plan import read_plan
    from voxloop.release.routes import find_route_row

    row = find_route_row(ledger.read(), task)
    if row is None or read_plan(row) is None:
        raise InputError(f"{task} has no canary in force", remedy=f"see voxloop ledger show {task}")
    return _go_back(ledger, row, ["a person has said so"])


def _is_in_force(ledger: Ledger, row: Entry) -> bool:
    from voxloop.release.routes import find_route_row

    standing = find_route_row(ledger.read(), row.task)
    return standing is not None and standing.sequence == row.sequence


def _tell_overtaken(row: Entry) -> int:
    print(f"{row.task}: another route was written since ledger entry {row.sequence}; it stays", flush=True)
    return 1


def _tell(findings: Sequence[str]) -> None:
    for finding in findings:
        print(finding, flush=True)


def _check_share(percent: float) -> None:
    if not 0 <= percent < 100:
        raise InputError(f"--percent {percent:g}", rule="from 0 (a shadow) to below 100", remedy="give another share")


def _read_period(text: str) -> timedelta:
    found = _PERIOD.fullmatch(text)
    if not found or float(found[1]) <= 0:
        raise InputError(f"--for {text[:40]!r}", rule="a number and s, m or h", remedy="--for 30m")
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2]])
