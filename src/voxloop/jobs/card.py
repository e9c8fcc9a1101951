"""Write the model card of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides
from voxloop.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from voxloop.evaluation.card import Card
    from voxloop.evaluation.judgement import Judgement
    from voxloop.evaluation.policy import GatePolicy


def card(
    evaluation: Path,
    out: Path,
    *,
    verdict: Path | None = None,
    dataset: Path | None = None,
    model: Path | None = None,
    features: Path | None = None,
    policy: str = "",
    players: int = 8,
    overrides: Overrides = (),
) -> Path:
    """Write what an evaluation found as one page for a person (`card.html`) and the same as `card.json`.

    `gate` leaves such a card beside its verdict; this makes one by itself, with sound. A voice is personal data, and a
    page is easily passed on: nobody is heard unless you name the dataset. Either way the page names speakers and
    utterances, and `voxloop erase` finds it by them.

    Args:
        evaluation: Folder written by evaluate.
        out: Folder to write; it must be empty or not there.
        verdict: Folder written by gate for this evaluation; without it the card says that nobody has judged.
        dataset: Folder written by ingest, the one the evaluation names: the worst utterances of its test split get
            players.
        model: Folder written by export, the challenger: how much a personality model's answers hang on each input, in
            the policy's first measure; left out, what evaluate found. Needs --dataset.
        features: Parquet table with a row an utterance, as for evaluate; with --model.
        policy: Name of a file in configs/gates; left out, that of the verdict, else the family's.
        players: How many utterances of a set can be heard, at most.
        overrides: Changes to the policy; left out, those of the verdict.

    Returns:
        The folder written.

    Raises:
        ConfigError: There is no such policy, or it is malformed.
        InputError: A folder is not what it should be.
        IntegrityError: The folders do not belong together, or something was changed.
    """
    _require_folders(evaluation, verdict, dataset, model)
    if (model is not None and dataset is None) or (features is not None and model is None):
        raise InputError(
            "--model without --dataset" if model is not None else "--features without --model",
            rule="a model's inputs are shuffled between the rows of its dataset",
            remedy="name both, or neither",
        )
    from voxloop.evaluation.card_content import make_card, write_card
    from voxloop.evaluation.card_worst import read_worst
    from voxloop.evaluation.judgement import Judgement
    from voxloop.evaluation.report import EVALUATION_NAME, Evaluation, read_json_record
    from voxloop.store.atomic import build_folder

    found = read_json_record(Evaluation, evaluation / EVALUATION_NAME)
    judged = None if verdict is None else read_json_record(Judgement, verdict / "verdict.json")
    name, rules = _load_policy(policy, overrides, judged, found.task)
    made = make_card(evaluation, rules, policy_name=name, judgement=judged)
    if dataset is not None and model is not None:
        made = _add_importances(made, rules, dataset, model, features)
    sounds = {} if dataset is None else read_worst(made, dataset, players)
    with build_folder(out) as folder:
        write_card(made, folder, sounds)
    said = str(judged.verdict) if judged else "not judged"
    print(f"model card of {found.task} model {found.model_digest[:12]}, {said}: {out / 'card.html'}", flush=True)
    return out


def _require_folders(evaluation: Path, verdict: Path | None, dataset: Path | None, model: Path | None) -> None:
    for name, folder in (
        ("EVALUATION", evaluation),
        ("--verdict", verdict),
        ("--dataset", dataset),
        ("--model", model),
    ):
        if folder is not None and not folder.is_dir():
            raise InputError(f"{name} {folder} is no folder", remedy="name a finished one")


def _load_policy(policy: str, overrides: Overrides, judged: Judgement | None, task: str) -> tuple[str, GatePolicy]:
    """Return the policy asked for, or the one a verdict names (`emotion --set level=0.9`), and its name."""
    from voxloop.config import find_config, load_config
    from voxloop.evaluation.policy import GatePolicy

    if judged is not None and not policy:
        policy, *changes = judged.policy.name.split(" --set ")
        overrides = overrides or tuple(changes)
    chosen = policy or task
    name = " ".join((chosen, *(f"--set {change}" for change in overrides)))
    return name, load_config(GatePolicy, find_config("gates", chosen), overrides)


def _add_importances(made: Card, rules: GatePolicy, dataset: Path, model: Path, features: Path | None) -> Card:
    from voxloop.evaluation.card_content import add_importances
    from voxloop.evaluation.card_importance import measure_importances
    from voxloop.evaluation.card_worst import require_dataset
    from voxloop.evaluation.report import TEST_SPLIT
    from voxloop.store.digests import digest_tree

    require_dataset(made, dataset)
    if (found := digest_tree(model)) != made.model_digest:
        raise IntegrityError(
            f"--model {model} has digest {found[:12]}",
            rule=f"the evaluation is of model {made.model_digest[:12]}",
            remedy="name that one, or leave --model out",
        )
    measured = measure_importances(model, dataset, rules.primary, features)
    return made if measured is None else add_importances(made, {TEST_SPLIT: measured})
