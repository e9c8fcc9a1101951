"""Look for poison in a training split: flipped labels, and sounds that do not belong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, resolved
from voxloop.errors import VoxloopError
from voxloop.store.job_store import run_step

if TYPE_CHECKING:
    from voxloop.data.poison_config import OwnConfig, PoisonConfig
    from voxloop.data.poison_report import PoisonReport


def poison(dataset: Path, out: Path, *, task: str = "emotion", policy: str = "", overrides: Overrides = ()) -> str:
    """Audit the labels and sounds of a training split by speaker and source: PASS, FAIL or CANNOT_TELL.

    Writes `poison.json` and, to be read, `poison.txt`. A speaker or a source with more suspicious utterances than
    clean ones have is FAIL. Too few rows, speakers or labels are CANNOT_TELL, and so is an audit that crashes, which is
    not kept in the job store. No single suspicious utterance blocks. The policy says whether a speaker is held against
    the others or against the own other utterances; the latter finds less, and its verdict says what not.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        task: Family to be trained.
        policy: Name of a file in configs/poison; empty for the one with the task's name.
        overrides: Changes to the policy; the report names them.

    Returns:
        The verdict.

    Raises:
        ConfigError: There is no such policy, or it is malformed.
        InputError: The folder does not exist or is not a dataset.
    """
    from voxloop.data.manifest import load_manifest
    from voxloop.data.poison_config import load_policy
    from voxloop.data.poison_report import read_report, report_crash
    from voxloop.store.atomic import build_folder

    config = load_policy(find_config("poison", policy or task), overrides)
    name = " ".join((policy or task, *(f"--set {change}" for change in overrides)))
    load_manifest(dataset)

    def work(folder: Path) -> None:
        audit_dataset(dataset, config, task).model_copy(update={"policy": name}).write(folder)

    settings = {"task": task, "policy": name, "config": resolved(config)}
    try:
        run_step("poison", inputs={"dataset": dataset}, config=settings, out=out, work=work)
    except VoxloopError:
        raise
    except Exception as crash:  # noqa: BLE001 - whatever stops an audit, the data was not found clean
        with build_folder(out) as folder:
            report_crash(crash, task, config.compare_with).model_copy(update={"policy": name}).write(folder)
    report = read_report(out)
    for line in report.lines():
        print(line, flush=True)
    return str(report.verdict)


def audit_dataset(dataset: Path, config: PoisonConfig | OwnConfig, task: str) -> PoisonReport:
    """Read the training split, have every suspicion looked for that its policy knows, and judge."""
    from voxloop.adapters import cleanlab
    from voxloop.data.audit_rows import read_rows
    from voxloop.data.own_audit import audit_own
    from voxloop.data.poison_audit import audit_rows

    if config.compare_with == "own":
        return audit_own(read_rows(dataset, [config.label_column]), config, task, cleanlab)
    wanted = [config.label_column, *config.value_columns, *(("text", "duration_s") if config.transcripts else ())]
    return audit_rows(read_rows(dataset, [name for name in wanted if name]), config, task, cleanlab)
