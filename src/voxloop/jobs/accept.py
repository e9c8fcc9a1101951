"""Say whether a dataset may be trained on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voxloop.data.acceptance import Question


def accept(
    dataset: Path,
    report: Path,
    leakage: Path,
    poison: Path,
    out: Path,
    *,
    champion: Path | None = None,
    task: str = "emotion",
    poison_policy: str = "",
) -> str:
    """Take what validate, leakage and poison said of a dataset together: PASS, FAIL or CANNOT_TELL.

    A report that is missing, was changed, was not made by this runner and this code, or answers another question is not
    believed: about other bytes, another task, other evaluation sets than there are now, compared with something else
    than the champion's data, or by rules that `--set` has softened. The folder keeps the three reports beside
    `acceptance.json`: it is what a model is tracked with, and what the next dataset is compared with.

    Args:
        dataset: Folder written by ingest.
        report: Folder written by validate.
        leakage: Folder written by leakage.
        poison: Folder written by poison.
        out: Folder to write; it must be empty or not there.
        champion: What validate was given as `--previous`: the folder written by fetch-champion.
        task: Family to be trained.
        poison_policy: What poison was given as `--policy`.

    Returns:
        The verdict.

    Raises:
        ConfigError: There is no such task or policy.
        InputError: The dataset is not one, or a folder is missing.
    """
    from voxloop.data.acceptance import KEPT_AS, Acceptance, combine_reports
    from voxloop.data.manifest import load_manifest
    from voxloop.errors import InputError
    from voxloop.settings import get_settings
    from voxloop.store.atomic import build_folder
    from voxloop.store.job_store import read_runner_key
    from voxloop.verdict import Verdict

    load_manifest(dataset)
    reports = {"validate": report, "leakage": leakage, "poison": poison}
    for step, folder in {**reports, "fetch-champion": champion}.items():
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder} is no folder", rule=f"`voxloop {step}` writes it", remedy="name its --out")
    questions = ask_questions(dataset, champion, task, poison_policy)
    key = read_runner_key(get_settings().runner_key_file)
    with build_folder(out) as folder:
        kept = {step: folder / KEPT_AS[step] for step in reports}
        for step, source in reports.items():
            shutil.copytree(source, kept[step], copy_function=shutil.copyfile)
        said, doubts = combine_reports(kept, questions, key)
        accepted = Acceptance(
            task=task,
            poison_policy=poison_policy or task,
            verdict=Verdict.combine(said.values()),
            dataset_digest=str(questions["validate"].inputs["dataset"]),
            said=said,
            doubts=doubts,
        ).sealed(key)
        accepted.write(folder)
    for line in accepted.lines():
        print(line, flush=True)
    return str(accepted.verdict)


def ask_questions(dataset: Path, champion: Path | None, task: str, poison_policy: str) -> dict[str, Question]:
    """Return what each step must have been asked: these bytes, what is in force now, the rules of the commit."""
    from voxloop.adapters.validation_suite import SuiteConfig
    from voxloop.config import find_config, load_config, resolved
    from voxloop.data.acceptance import Question
    from voxloop.data.leakage import LeakageConfig
    from voxloop.data.poison_config import load_policy
    from voxloop.settings import get_settings
    from voxloop.store.digests import digest_tree

    data = {"dataset": digest_tree(dataset)}
    sets = get_settings().evaluation_sets / task
    suite = resolved(load_config(SuiteConfig, find_config("validation", task)))
    leaks = resolved(load_config(LeakageConfig, find_config("leakage", task)))
    policy = poison_policy or task
    audit = resolved(load_policy(find_config("poison", policy), ()))
    before = None if champion is None else digest_tree(champion)
    return {
        "validate": Question({**data, "previous": before}, {"task": task, "config": suite}),
        "leakage": Question(
            {**data, "sets": digest_tree(sets) if sets.is_dir() else None}, {"task": task, "config": leaks}
        ),
        "poison": Question(data, {"task": task, "policy": policy, "config": audit}),
    }
