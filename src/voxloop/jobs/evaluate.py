"""Score challenger and champion on the same test rows."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_step


def evaluate(
    model: Path, dataset: Path, champion: Path, out: Path, *, task: str = "emotion", overrides: Overrides = ()
) -> Path:
    """Score a challenger and the champion afresh on the dataset's test split.

    Writes every answer (`answers.parquet`), the measures (`evaluation.json`) and a picture of the confusions.

    Args:
        model: Folder written by export.
        dataset: Folder written by ingest.
        champion: Folder written by fetch-champion.
        out: Folder to write; it must be empty or not there.
        task: Family of the models; also the name of the file in configs/evaluation.
        overrides: Changes to configs/evaluation/TASK.yaml.

    Returns:
        The folder written.

    Raises:
        InputError: A folder is not what it should be.
        IntegrityError: The champion's bytes are not those the registry speaks of.
    """
    from voxloop.evaluation.scoring import ScoringConfig

    config = load_config(ScoringConfig, find_config("evaluation", task), overrides)

    def work(folder: Path) -> None:
        from voxloop.data.shards import iter_audio
        from voxloop.evaluation.evaluate import evaluate_model
        from voxloop.store.digests import digest_tree

        rows = iter_audio(dataset, split="test")
        digest = digest_tree(dataset)
        made = evaluate_model(model, rows, champion, folder, task=task, dataset_digest=digest, config=config)
        for line in made.lines():
            print(line, flush=True)

    return run_step(
        "evaluate",
        inputs={"model": model, "dataset": dataset, "champion": champion},
        config={"task": task, "config": resolved(config)},
        out=out,
        work=work,
    )
