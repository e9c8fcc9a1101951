"""Score challenger and champion on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_step

if TYPE_CHECKING:
    from voxloop.data.evaluation_sets import EvaluationSet
    from voxloop.evaluation.evaluate import EvaluationRows
    from voxloop.ledger.looks import FrozenSet
    from voxloop.tasks import Task


def evaluate(
    model: Path,
    dataset: Path,
    champion: Path,
    out: Path,
    *,
    task: str = "emotion",
    sets: Path | None = None,
    features: Path | None = None,
    overrides: Overrides = (),
) -> Path:
    """Score a challenger and the champion afresh on the dataset's test split and on frozen evaluation sets.

    Writes every answer (`answers.parquet`), the measures (`evaluation.json`), what became of golden requests
    (`golden.json`: it holds times, which differ from run to run) and, of labels, pictures of confusions; of
    personality, what the answers hang on (`importances.json`).
    Every look of a model at the test split or a frozen set is an entry of the ledger and wears the set (`voxloop ledger
    looks`). The same rows are the same test split, whichever dataset they come with.

    Args:
        model: Folder written by export.
        dataset: Folder written by ingest.
        champion: Folder written by fetch-champion.
        out: Folder to write; it must be empty or not there.
        task: Family of the models; also the name of the file in configs/evaluation.
        sets: Folder of the frozen evaluation sets; the settings' own when left out. All of the task's are scored but
            those for development.
        features: For families that take features: a Parquet table or a folder written by features, as in training.
        overrides: Changes to configs/evaluation/TASK.yaml.

    Returns:
        The folder written.

    Raises:
        InputError: A folder is not what it should be.
        RefusedError: The test split or a frozen set has no looks left.
        IntegrityError: The champion's bytes are not those the registry speaks of, or a frozen set was changed.
        ServiceUnavailableError: The ledger does not answer.
    """
    from voxloop.data.evaluation_set_files import digest_contents
    from voxloop.data.evaluation_sets import find_family
    from voxloop.data.known_features import find_table
    from voxloop.evaluation.scoring import ScoringConfig
    from voxloop.ledger.looks import OwnTestSplit
    from voxloop.settings import get_settings
    from voxloop.tasks import get_task

    config, family = load_config(ScoringConfig, find_config("evaluation", task), overrides), get_task(task)
    table = find_table(features, family.FEATURES)
    # Before the figures are there, also those that were kept from before.
    family_sets = find_family(sets, get_settings().evaluation_sets, task)
    frozen = _read_sets(family_sets)
    rows_digest = digest_contents(dataset, "test")
    own = [OwnTestSplit(task, rows_digest)] if rows_digest else []
    _count_looks([*own, *frozen], model)

    def work(folder: Path) -> None:
        from voxloop.evaluation.card_importance import write_importances
        from voxloop.evaluation.evaluate import evaluate_model
        from voxloop.evaluation.golden import measure_golden
        from voxloop.store.digests import digest_tree

        digest = digest_tree(dataset)
        chosen = list(_choose_rows(dataset, digest, frozen, table, family, counted=bool(own)))
        made = evaluate_model(model, chosen, champion, folder, task=task, dataset_digest=digest, config=config)
        for line in made.lines():
            print(line, flush=True)
        if why := write_importances(model, dataset, made, folder, table):
            print(f"what the answers hang on was not measured: {why}", flush=True)
        rival = None if made.champion is None else champion / "model"
        measure_golden(model, rival, config.golden, threads=config.threads).write(folder)

    return run_step(
        "evaluate",
        inputs={"model": model, "dataset": dataset, "champion": champion, "sets": family_sets, "features": table},
        config={"task": task, "config": resolved(config)},
        out=out,
        work=work,
    )


def _read_sets(folder: Path | None) -> list[EvaluationSet]:
    """Return the frozen sets in a folder, whole, without those for development."""
    from voxloop.data.evaluation_sets import list_evaluation_sets, verify_evaluation_set

    if folder is None:
        return []
    found = [one for one in list_evaluation_sets(folder.parent, folder.name) if one.looks == "counted"]
    for one in found:
        verify_evaluation_set(one.folder)
    return found


def _count_looks(sets: Sequence[FrozenSet], model: Path) -> None:
    if not sets:
        return
    from voxloop.errors import InputError, RefusedError
    from voxloop.ledger.book import open_ledger
    from voxloop.ledger.looks import LookPolicy, record_look
    from voxloop.settings import get_settings, now
    from voxloop.store.digests import digest_tree

    if not model.is_dir():  # nobody has looked
        raise InputError(f"{model} is no folder", rule="a model is scored as export wrote it", remedy="export first")
    policy, challenger = load_config(LookPolicy, find_config("ledger")), digest_tree(model)
    ledger = open_ledger(get_settings())
    for one in sets:
        look = record_look(ledger, one, challenger=challenger, at=now(), policy=policy)
        warning = look.wear.warning(now()) if look.wear else ""
        if not look.is_allowed:
            raise RefusedError(
                warning, rule="a worn set no longer tells good models from lucky ones", remedy="cut a fresh set"
            )
        if warning:
            print(warning, flush=True)


def _choose_rows(
    dataset: Path, digest: str, sets: Sequence[EvaluationSet], features: Path | None, task: Task, *, counted: bool
) -> Iterator[EvaluationRows]:
    from voxloop.data.known_features import iter_rows
    from voxloop.evaluation.evaluate import EvaluationRows
    from voxloop.evaluation.report import TEST_SPLIT

    test = iter_rows(dataset, "test", audio=task.AUDIO, features=features)
    yield EvaluationRows(TEST_SPLIT, digest, counted=counted, rows=test)
    for one in sets:
        rows = iter_rows(one.folder, one.split, audio=task.AUDIO, features=features)
        yield EvaluationRows(one.name, one.digest, counted=True, rows=rows)
