"""What has to hold before a model becomes a version, and what the version says about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import IntegrityError, RefusedError
from voxloop.release.evidence import find_judged_against, read_json, require_consistent
from voxloop.release.note import digest_card, write_note
from voxloop.release.versions import (
    CARD_DIGEST,
    CARD_LINK,
    DATA_DIGEST,
    DATA_VERDICT,
    EVALUATION_DIGEST,
    GIT_COMMIT,
    JUDGED_AGAINST,
    MODEL_DIGEST,
    POLICY,
    RETRAIN_ID,
    VERDICT,
    VERDICT_DIGEST,
)
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict


@dataclass(frozen=True)
class Description:
    """A version to be: the run it comes from, its tags, and the note the approver reads."""

    run_id: str
    tags: Mapping[str, str]
    note: str


def require_pass(verdict: Path) -> None:
    """Raise `RefusedError` unless the verdict in the folder is PASS."""
    judged = read_json(verdict, "verdict.json")
    if judged.get("verdict") != Verdict.PASS:
        reasons = [reason["text"] for reason in judged.get("reasons", []) if reason.get("verdict") != Verdict.PASS]
        raise RefusedError(
            f"the verdict is {judged.get('verdict')}: {'; '.join(reasons[:2]) or 'no reason given'}",
            rule="only a PASS is registered",
            remedy="train a better model, or give the gate enough to judge by",
        )


def describe_version(
    task: str,
    run: Path,
    model: Path,
    evaluation: Path,
    verdict: Path,
    read_run_tags: Callable[[str], Mapping[str, str]],
) -> Description:
    """Return the version for a tracked run, once everything it stands on agrees.

    Args:
        task: Family of the model.
        run: Folder written by track.
        model: Folder written by export.
        evaluation: Folder written by evaluate.
        verdict: Folder written by gate.
        read_run_tags: Gives the tags of a finished run.

    Raises:
        IntegrityError: Folders or run speak of different bytes, or of another task.
        RefusedError: The run was tracked from a tree with changes, or its data were not found good.
    """
    run_id = str(read_json(run, "run.json")["run_id"])
    digests = require_consistent(model, evaluation, verdict)
    tracked = read_run_tags(run_id)
    judged, measured = read_json(verdict, "verdict.json"), read_json(evaluation, "evaluation.json")
    expected = {**digests, VERDICT: str(judged["verdict"]), VERDICT_DIGEST: digest_tree(verdict)}
    for name, value in expected.items():
        if tracked.get(name) != value:
            raise IntegrityError(
                f"run {run_id} has {name} = {tracked.get(name, 'nothing')[:12]}, the folder says {value[:12]}",
                remedy="give the run.json that track wrote for these folders",
            )
    if measured.get("task") != task or judged.get("task", task) != task:
        raise IntegrityError(
            f"the evaluation is of task {measured.get('task')!r}, not {task!r}", remedy="pass the right --task"
        )
    if tracked.get("voxloop.git_dirty") != "false":
        raise RefusedError(
            f"run {run_id} was tracked from a tree with uncommitted changes",
            rule="a model is registered only from a commit that names its code",
            remedy="commit the changes and run the pipeline again; finished steps are reused",
        )
    if tracked.get(DATA_VERDICT) != Verdict.PASS:
        raise RefusedError(
            f"of the data of run {run_id}, `accept` said {tracked.get(DATA_VERDICT, 'nothing')}",
            rule="a model is registered only when validate, leakage and poison all say PASS",
            remedy="read their reports among the run's artifacts, mend the data and train again",
        )
    policy = judged.get("policy") or {}
    tags = {
        MODEL_DIGEST: digests[MODEL_DIGEST],
        EVALUATION_DIGEST: digests[EVALUATION_DIGEST],
        DATA_DIGEST: str(measured.get("dataset_digest", "")),
        VERDICT: str(judged["verdict"]),
        CARD_DIGEST: digest_card(verdict),
        DATA_VERDICT: tracked[DATA_VERDICT],
        POLICY: f"{policy.get('name', '')}@{str(policy.get('digest', ''))[:12]}",
        GIT_COMMIT: tracked[GIT_COMMIT],
        JUDGED_AGAINST: find_judged_against(judged),
    }
    if retrain_id := tracked.get(RETRAIN_ID, ""):
        tags[RETRAIN_ID] = retrain_id
    note = write_note(judged, tags[CARD_DIGEST], tracked.get(CARD_LINK, ""), retrain_id)
    return Description(run_id, tags, note)
