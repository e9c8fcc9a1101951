"""Score challenger and champion on the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_step

if TYPE_CHECKING:
    from voxloop.evaluation.evaluate import EvaluationRows
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
    (`golden.json`: it holds times, which differ from run to run) and, of labels, pictures of confusions.

    Args:
        model: Folder written by export.
        dataset: Folder written by ingest.
        champion: Folder written by fetch-champion.
        out: Folder to write; it must be empty or not there.
        task: Family of the models; also the name of the file in configs/evaluation.
        sets: Folder of frozen evaluation sets, such as HOME/evaluation_sets/emotion: all of them but those for
            development.
        features: Parquet table with a row an utterance, for families that take features; as in training.
        overrides: Changes to configs/evaluation/TASK.yaml.

    Returns:
        The folder written.

    Raises:
        InputError: A folder is not what it should be.
        IntegrityError: The champion's bytes are not those the registry speaks of, or a frozen set was changed.
    """
    from voxloop.evaluation.scoring import ScoringConfig

    config = load_config(ScoringConfig, find_config("evaluation", task), overrides)

    def work(folder: Path) -> None:
        from voxloop.evaluation.evaluate import evaluate_model
        from voxloop.evaluation.golden import measure_golden
        from voxloop.store.digests import digest_tree
        from voxloop.tasks import get_task

        digest, family = digest_tree(dataset), get_task(task)
        chosen = list(_choose_rows(dataset, digest, sets, features, family))
        made = evaluate_model(model, chosen, champion, folder, task=task, dataset_digest=digest, config=config)
        for line in made.lines():
            print(line, flush=True)
        rival = None if made.champion is None else champion / "model"
        measure_golden(model, rival, config.golden, threads=config.threads).write(folder)

    return run_step(
        "evaluate",
        inputs={"model": model, "dataset": dataset, "champion": champion, "sets": sets, "features": features},
        config={"task": task, "config": resolved(config)},
        out=out,
        work=work,
    )


def _choose_rows(
    dataset: Path, digest: str, sets: Path | None, features: Path | None, task: Task
) -> Iterator[EvaluationRows]:
    from voxloop.data.evaluation_sets import list_evaluation_sets, verify_evaluation_set
    from voxloop.data.known_features import iter_rows
    from voxloop.errors import InputError
    from voxloop.evaluation.evaluate import EvaluationRows
    from voxloop.evaluation.report import TEST_SPLIT

    # The test split of a dataset is cut anew with every dataset: looks at it are not counted.
    test = iter_rows(dataset, "test", audio=task.AUDIO, features=features)
    yield EvaluationRows(TEST_SPLIT, digest, counted=False, rows=test)
    if sets is None:
        return
    if not sets.is_dir():
        raise InputError(f"--sets {sets} is no folder", remedy="name one, such as HOME/evaluation_sets/emotion")
    for one in list_evaluation_sets(sets.parent, sets.name):
        if one.looks == "counted":
            verify_evaluation_set(one.folder)
            rows = iter_rows(one.folder, one.split, audio=task.AUDIO, features=features)
            yield EvaluationRows(one.name, one.digest, counted=True, rows=rows)
