"""What a run asks: everything its answers depend on, beside the code. A folder holds the answers to one question."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from voxloop.errors import InputError
from voxloop.store.atomic import write_file

QUESTION_NAME = "question.json"


@dataclass(frozen=True)
class Question:
    """One run.

    Args:
        task: Family.
        corpus: Name of the corpus, whose `configs/quality/<corpus>.yaml` is taken.
        folds: Name of the folds.
        config: Name of the task's configuration.
        overrides: Changes to it.
        baseline: The baseline in place of our model; None for ours.
        shuffled: Whether training labels are shuffled.
        minutes: Time a training may take; None for as many epochs as configured.
        dataset_digest: Digest of the corpus' dataset.
        quality_digest: Digest of how the corpus is measured.
    """

    task: str
    corpus: str
    folds: str
    config: str
    overrides: tuple[str, ...]
    baseline: str | None
    shuffled: bool
    minutes: float | None
    dataset_digest: str
    quality_digest: str


def bind_folder(folder: Path, question: Question) -> None:
    """Write down what a folder's answers are to.

    Raises:
        InputError: It holds the answers to another question.
    """
    asked = json.loads(json.dumps(asdict(question)))
    path = folder / QUESTION_NAME
    if not path.is_file():
        write_file(path, json.dumps(asked, indent=2) + "\n")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    if before != asked:
        odd = next(name for name in asked if before.get(name) != asked[name])
        raise InputError(
            f"{folder} holds answers where {odd} is {before.get(odd)!r}, not {asked[odd]!r}",
            rule="a folder holds the answers to one question",
            remedy="name another --out, or remove this one",
        )
