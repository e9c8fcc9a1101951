"""Everything one run of the pipeline made, read from its folders and tied together by digests."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxloop.data.acceptance import KEPT_AS, Acceptance, load_acceptance
from voxloop.errors import InputError, IntegrityError
from voxloop.release.note import CARD_PAGE, digest_card, write_note
from voxloop.release.versions import CARD_DIGEST, DATA_VERDICT, EVIDENCE, NO_CHAMPION, VERDICT_DIGEST
from voxloop.store.digests import digest_json, digest_tree
from voxloop.store.revision import CodeRevision
from voxloop.verdict import Verdict

PAGES = {
    "model card": f"verdict/{CARD_PAGE}",
    "data docs": f"data/{KEPT_AS['validate']}/data_docs/index.html",
    "leaks": f"data/{KEPT_AS['leakage']}/leakage.html",
    "poison": f"data/{KEPT_AS['poison']}/poison.txt",
    "verdict": "verdict/verdict.json",
}
"""Artifacts of a run that a person reads first, where it has them."""


@dataclass(frozen=True)
class Metric:
    """One measured value; `step` is the epoch, 0 for what was measured once."""

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Evidence:
    """What a tracked run consists of.

    Attributes:
        task: Task family.
        digest: Digest of all folders and of the code revision: the identity of the run.
        revision: The code that made it.
        folders: Folder to keep, by the name it is kept under.
        parameters: The resolved training configuration, flattened to `a.b`.
        metrics: Histories by epoch, and the measures of the evaluation.
        tags: Digests, revision, verdict.
        note: The reasons of the verdict, for the person who approves.
    """

    task: str
    digest: str
    revision: CodeRevision
    folders: Mapping[str, Path]
    parameters: Mapping[str, str]
    metrics: tuple[Metric, ...]
    tags: Mapping[str, str]
    note: str

    @property
    def pages(self) -> dict[str, str]:
        """Those of `PAGES` that are there, by what they are called."""
        split = {name: path.split("/", 1) for name, path in PAGES.items()}
        return {name: PAGES[name] for name, (top, rest) in split.items() if (self.folders[top] / rest).is_file()}


def read_evidence(task: str, folders: Mapping[str, Path], revision: CodeRevision, secret: bytes) -> Evidence:
    """Read the folders `training`, `model`, `data` (the acceptance), `evaluation` and `verdict` of one pipeline run.

    Args:
        task: Task family.
        folders: Each folder by its name.
        revision: The code that made them.
        secret: The runner's key, which the acceptance of the data is sealed with.

    Raises:
        InputError: A folder or its JSON file is missing.
        IntegrityError: They do not belong together: a verdict on another model, an evaluation of another export.
    """
    training = read_json(folders["training"], "training.json")
    for key in ("config", "history"):
        if key not in training:
            raise InputError(f"{folders['training'] / 'training.json'} lacks {key!r}", remedy="train again")
    evaluation = read_json(folders["evaluation"], "evaluation.json")
    verdict = read_json(folders["verdict"], "verdict.json")
    digests = require_consistent(folders["model"], folders["evaluation"], folders["verdict"])
    accepted = load_acceptance(folders["data"], secret)
    require_same_data(accepted, task, training, evaluation)
    card = digest_card(folders["verdict"])
    contents = {name: digest_tree(folder) for name, folder in folders.items()}
    identity = digest_json({"task": task, "contents": contents, "commit": revision.commit, "dirty": revision.dirty})
    tags = {
        EVIDENCE: identity,
        **digests,
        "voxloop.data_digest": str(evaluation.get("dataset_digest", "")),
        "voxloop.verdict": str(verdict["verdict"]),
        VERDICT_DIGEST: contents["verdict"],
        CARD_DIGEST: card,
        DATA_VERDICT: str(accepted.verdict),
        "voxloop.git_commit": revision.commit,
        "voxloop.git_dirty": str(revision.dirty).lower(),
        "voxloop.seed": str(training.get("seed", "")),
    }
    metrics = (*read_history(training), *read_measures(evaluation, verdict))
    parameters = flatten({"task": task, **training["config"]})
    return Evidence(task, identity, revision, folders, parameters, metrics, tags, write_note(verdict, card))


def require_same_data(
    accepted: Acceptance, task: str, training: Mapping[str, Any], evaluation: Mapping[str, Any]
) -> None:
    """Raise `IntegrityError` unless the data were accepted for this task, and trained and measured on."""
    if accepted.task != task:
        raise IntegrityError(
            f"the data were accepted for task {accepted.task!r}, not {task!r}",
            rule="each family asks other things of its data",
            remedy="give the folders of one pipeline run",
        )
    for step, stated in (
        ("training", training.get("dataset_digest")),
        ("evaluation", evaluation.get("dataset_digest")),
    ):
        if stated != accepted.dataset_digest:
            raise IntegrityError(
                f"the {step} is about dataset {str(stated)[:12]}, accepted was {accepted.dataset_digest[:12]}",
                rule="a model is judged with the data it was accepted on",
                remedy="give the folders of one pipeline run",
            )


def require_consistent(model: Path, evaluation: Path, verdict: Path) -> dict[str, str]:
    """Return the digests of model and evaluation as tags, once every file that names them agrees.

    Raises:
        IntegrityError: One of them speaks of other bytes.
    """
    model_digest, evaluation_digest = digest_tree(model), digest_tree(evaluation)
    judged, measured = read_json(verdict, "verdict.json"), read_json(evaluation, "evaluation.json")
    statements = (
        ("the verdict is about model", judged.get("model_digest"), model_digest),
        ("the evaluation is about model", measured.get("model_digest"), model_digest),
        ("the verdict is about evaluation", judged.get("evaluation_digest"), evaluation_digest),
    )
    for statement, stated, found in statements:
        if stated is None and judged.get("verdict") == Verdict.CANNOT_TELL:
            continue  # the gate could not read what it was given, and says so
        if stated != found:
            raise IntegrityError(
                f"{statement} {str(stated)[:12]}, the folder holds {found[:12]}",
                rule="evidence belongs to the bytes it was made from",
                remedy="give the folders of one pipeline run",
            )
    return {"voxloop.model_digest": model_digest, "voxloop.evaluation_digest": evaluation_digest}


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in `folder / name`.

    Raises:
        InputError: There is no such file, or it holds something else.
    """
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as unreadable:
        raise InputError(f"{folder / name} cannot be read ({unreadable})", remedy="give a finished folder") from None
    if not isinstance(content, dict):
        raise InputError(f"{folder / name} holds no JSON object", remedy="give a finished folder")
    return content


def read_history(training: Mapping[str, Any]) -> Iterable[Metric]:
    """Yield the finite numbers of every epoch: losses, and every measure on dev as `dev_<measure>`."""
    for epoch in training["history"]:
        measures = {f"dev_{name}": value for name, value in (epoch.get("dev") or {}).items()}
        for name, value in {**epoch, **measures}.items():
            if name != "epoch" and _is_finite(value):
                yield Metric(f"training/{name}", float(value), int(epoch["epoch"]))


def read_measures(evaluation: Mapping[str, Any], verdict: Mapping[str, Any]) -> Iterable[Metric]:
    """Yield the measures of challenger and champion and the counts behind them, of each set, and the interval."""
    for one in evaluation.get("sets") or ():
        # The test split has been plain `evaluation/…` since the first run: curves over versions go on.
        place = "evaluation" if one["name"] == "test" else f"evaluation/{one['name']}"
        named = {
            f"{who}_{name}": value for who, found in one["measures"].items() for name, value in (found or {}).items()
        }
        for name, value in {**named, **one["counts"]}.items():
            if _is_finite(value):
                yield Metric(f"{place}/{name}", float(value))
    interval = verdict.get("interval") or {}
    for bound in ("estimate", "low", "high"):
        if _is_finite(interval.get(bound)):
            yield Metric(f"verdict/{interval['measure']}_{bound}", float(interval[bound]))


def find_judged_against(verdict: Mapping[str, Any]) -> str:
    """Return the digest of the champion a verdict compared with, or `none`."""
    champion = verdict.get("champion") or {}
    return str(champion.get("model_digest") or NO_CHAMPION)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested mappings as `a.b` keys; lists and other values as JSON text."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
