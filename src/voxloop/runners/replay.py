"""A retraining built again from what was bound at its claim, step by step, and held against what it gave then.

Each step is computed from the inputs its record names by digest, so that all of them together are the chain: what
gives the same bytes from the same bytes at every link gives the same model from the same data.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.runners.recorded_outputs import Row, compare, draw_table
from voxloop.runners.rerun import (
    STEPS,
    find_newest_attempt,
    name_fresh_place,
    read_sealed_record,
    read_step,
    recompute,
)
from voxloop.verdict import Verdict

if TYPE_CHECKING:
    from voxloop.data.tombstones import Tombstones
    from voxloop.monitoring.retraining import Retraining
    from voxloop.settings import Settings
    from voxloop.store.step_record import StepRecord

REPLAY_NAME = "replay.json"
FIRST = "ingest"
"""The step that reads the corpus: the one whose data an erasure changes."""


@dataclass(frozen=True)
class Finding:
    """What came of one step, or of what all of them stand on.

    Args:
        what: The step; or `data`, `code`, `run`.
        verdict: FAIL where an output is another; CANNOT_TELL where it could not be computed from the same.
        reason: In words.
        rows: The comparison, where there is one.
    """

    what: str
    verdict: Verdict
    reason: str
    rows: tuple[Row, ...] = ()

    def as_page(self) -> dict[str, object]:
        """Return it as JSON values."""
        rows = [asdict(row) | {"verdict": str(row.verdict)} for row in self.rows]
        return {"what": self.what, "verdict": str(self.verdict), "reason": self.reason, "rows": rows}


def replay(retrain_id: str, out: Path | None = None) -> Path:
    """Build a retraining again and compare every file of every step with its record.

    Nothing comes from the job store and nothing of the old run is changed; it takes as long as the retraining took.
    PASS says that all steps gave the same bytes (times of golden requests left out). FAIL, exit code 4, names the
    files that differ. CANNOT_TELL, exit code 3, says what is not there any more: other code or configuration, other
    data, a run folder that was swept, a voice that was erased, whose tombstone it names. Acts (gate, registration)
    are not done again: `voxloop gate --replay` judges the same evaluation.

    Args:
        retrain_id: As `voxloop explain` names it.
        out: Folder to write, with `replay.json`; by default a new one under the run's `reruns`.

    Returns:
        The folder written.

    Raises:
        InputError: No such retraining, or nothing of it was judged.
        IntegrityError: A step gave something else.
        RefusedError: It cannot be told.
    """
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.retraining_acts import require_retraining
    from voxloop.runners.retrain import retraining_folder
    from voxloop.settings import get_settings
    from voxloop.store.atomic import refuse_occupied, write_file

    settings = get_settings()
    found = _require_judged(require_retraining(open_ledger(settings).read(), retrain_id))
    folder = retraining_folder(settings, found.retrain_id)
    place = out or name_fresh_place(folder, "replay")
    refuse_occupied(place)
    findings = []
    for finding in _replay(settings, found, folder, place):
        findings.append(finding)
        print(f"{finding.what}: {finding.verdict}, {finding.reason}", flush=True)
        for line in draw_table(list(finding.rows)) if finding.rows else ():
            print(line, flush=True)
    verdict = Verdict.combine(finding.verdict for finding in findings)
    page = {"schema_version": 1, "retrain_id": found.retrain_id, "verdict": str(verdict)}
    page |= {"findings": [finding.as_page() for finding in findings]}
    write_file(place / REPLAY_NAME, json.dumps(page, indent=2) + "\n")
    _end(found.retrain_id, verdict, findings, place)
    return place


def _require_judged(found: Retraining) -> Retraining:
    from voxloop.monitoring.retraining import JUDGED

    if found.state != JUDGED:
        raise InputError(
            f"{found.retrain_id} is {found.state}: {found.ending}",
            rule="what is built again came to a verdict",
            remedy="name one that did: `voxloop ledger show --kind attempt_ended` lists them",
        )
    return found


def _replay(settings: Settings, found: Retraining, folder: Path, place: Path) -> Iterator[Finding]:
    """Yield what is found of data, code and each step; nothing is computed where it would prove nothing."""
    from voxloop.runners.result import RESULT_NAME

    if not (folder / RESULT_NAME).is_file():
        yield Finding("run", Verdict.CANNOT_TELL, f"{folder} is not there: it was swept, or lies on another machine")
        return
    grounds = [*_find_erased(settings, folder), *_find_changed(settings, found)]
    yield from grounds
    if not grounds:
        for step in _list_finished(folder):
            yield _do_again(settings, folder, step, place / step)


def _find_changed(settings: Settings, found: Retraining) -> Iterator[Finding]:
    """Yield a finding where code, configuration or the corpus are not what was bound."""
    from voxloop.runners.retrain import digest_data, digest_recipe

    bound, here = str(found.attempts[-1].began.content["code"]), digest_recipe(settings)
    if bound != here:
        where = f"code and configuration are {here[:12]}, {bound[:12]} were bound"
        remedy = (
            f"check out the commit of its run in MLflow ({found.attempts[-1].outcome.get('run')}), set VOXLOOP_HOME"
        )
        yield Finding("code", Verdict.CANNOT_TELL, f"{where}; {remedy}")
    data, now = found.bound["data"], digest_data(found.bound["arguments"])
    if data != now:
        corpus = found.bound["arguments"].get("corpus_path") or found.bound["arguments"].get("corpus")
        told = f"the corpus {corpus} is {str(now)[:12]}, {str(data)[:12]} was bound; put it back as it was"
        yield Finding("data", Verdict.CANNOT_TELL, told)


def _find_erased(settings: Settings, folder: Path) -> Iterator[Finding]:
    """Yield a finding where a voice was erased of what the run had read.

    An erasure takes the voice out of the run's own dataset, which then is not what its record says; whom the model
    learnt from stays listed beside it.
    """
    from voxloop.data.tombstones import read_tombstones

    tombstones = read_tombstones(settings.tombstones_file)
    if not tombstones.hashes:
        return
    named = tombstones.key(_list_speakers(folder))
    if not named and not _is_rewritten(folder):
        return
    known = ", ".join(one[:12] for one in named or sorted(tombstones.hashes))
    of = "its tombstone is" if len(named) == 1 else "their tombstones are" if named else "it is one of the tombstones"
    yield Finding("data", Verdict.CANNOT_TELL, f"a voice that was in it was erased; {of} {known}")


def _list_speakers(folder: Path) -> list[str]:
    """Return whom the run's model learnt from; nobody where no training came to its end."""
    from voxloop.data.erasure_scan import SPEAKERS_NAME

    names: set[str] = set()
    for path in sorted(folder.glob(f"steps/**/{SPEAKERS_NAME}")):
        content = json.loads(path.read_text(encoding="utf-8"))
        names.update(*(content[part] for part in ("train", "dev")))
    return sorted(names)


def _is_rewritten(folder: Path) -> bool:
    """Return whether the run's dataset is not what ingest wrote; a run that reads none has nothing of anybody."""
    from voxloop.store.digests import list_files

    if FIRST not in _list_finished(folder):
        return False
    recorded = read_step(folder, FIRST)
    record = read_sealed_record(recorded)
    return record is None or list_files(recorded.outputs["out"]) != dict(record.outputs)


def _list_finished(folder: Path) -> list[str]:
    """Return the steps that are functions of their inputs and came to their end, in the order they are done."""
    from voxloop.runners.kfp_package import read_package, read_steps

    if (attempt := find_newest_attempt(folder)) is None:
        return []
    left = read_steps(read_package(folder / "pipeline.yaml"), attempt)
    return [step for step in STEPS if step in left and left[step].finished]


def _do_again(settings: Settings, folder: Path, step: str, out: Path) -> Finding:
    """Compute one step again and compare it."""
    try:
        recorded = read_step(folder, step)
        record = read_sealed_record(recorded)
        if record is None:
            return Finding(step, Verdict.CANNOT_TELL, "it left nothing to compare with")
        record = _respell(settings, step, record)
        recompute(recorded, record, out)
        rows = tuple(compare(record, recorded.outputs["out"], out))
    except IntegrityError as changed:
        return Finding(step, Verdict.CANNOT_TELL, str(changed))
    return _judge(step, rows)


def _respell(settings: Settings, step: str, record: StepRecord) -> StepRecord:
    """Return ingest's record as of today's tombstones: `_find_erased` has seen that none of them is of this dataset."""
    from voxloop.data.tombstones import read_tombstones

    if step != FIRST or "erased" not in record.config:
        return record
    tombstones: Tombstones = read_tombstones(settings.tombstones_file)
    config: dict[str, Any] = {**record.config, "erased": tombstones.digest}
    return replace(record, config=config)


def _judge(step: str, rows: tuple[Row, ...]) -> Finding:
    outputs = [row for row in rows if row.is_output]
    differ = [row.what for row in outputs if row.verdict is not Verdict.PASS]
    if differ:
        reason = f"{len(differ)} of {len(outputs)} outputs are not the recorded ones: {', '.join(differ)}"
        return Finding(step, Verdict.FAIL, reason, rows)
    return Finding(step, Verdict.PASS, f"all {len(outputs)} outputs are the recorded ones", rows)


def _end(retrain_id: str, verdict: Verdict, findings: list[Finding], place: Path) -> None:
    """Print the verdict; raise unless it is PASS."""
    against = [finding for finding in findings if finding.verdict is not Verdict.PASS]
    told = "; ".join(f"{finding.what}: {finding.reason}" for finding in against) or "no step of it came to its end"
    page = place / REPLAY_NAME
    if verdict is Verdict.FAIL:
        raise IntegrityError(
            f"FAIL: {retrain_id} built again is another: {told}",
            rule="the same data, code and configuration give the same bytes",
            remedy=f"read {page}; libraries or the kind of processor may be others",
        )
    if verdict is Verdict.CANNOT_TELL:
        raise RefusedError(
            f"CANNOT_TELL: {told}", rule="it is built again from what it was made of", remedy=f"read {page}"
        )
    print(f"PASS: {retrain_id} built again is the same, {len(findings)} steps; {page}", flush=True)
