"""The evaluation of a challenger: it and the champion, scored afresh on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from voxloop.config import resolved
from voxloop.errors import IntegrityError
from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers, answers_of, read_answers, write_answers
from voxloop.evaluation.changed_scoring import ChangedScoring, write_robustness
from voxloop.evaluation.conditions import Change, change_row
from voxloop.evaluation.confusion import draw_confusion
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.measures import count_answers, measure_answers
from voxloop.evaluation.report import (
    ANSWERS_NAME,
    CONFUSION_NAME,
    TEST_SPLIT,
    Champion,
    ChampionRecord,
    Evaluation,
    MeasuresOfBoth,
    SetReport,
    read_json_record,
)
from voxloop.evaluation.scoring import Labelled, Rows, Scored, Scoring, ScoringConfig
from voxloop.evaluation.subset import Subset
from voxloop.store.digests import digest_file, digest_tree


@dataclass(frozen=True)
class EvaluationRows:
    """One evaluation set to score on.

    Args:
        name: `TEST_SPLIT` for that of the dataset, else the name of a frozen set.
        digest: Of every byte of it.
        counted: Whether a look at its figures wears it.
        rows: Its rows, read once.
    """

    name: str
    digest: str
    counted: bool
    rows: Rows


def evaluate_model(
    model: Path,
    sets: Sequence[EvaluationRows],
    champion: Path,
    out: Path,
    *,
    task: str,
    dataset_digest: str,
    config: ScoringConfig,
    change: Change = change_row,
) -> Evaluation:
    """Score challenger and champion and write `answers.parquet`, `evaluation.json` and, of labels, `confusion.png`.

    Where the configuration names conditions, some rows of the first set are asked again under them, and
    `robustness.parquet` and `robustness.json` say what came of it.

    Without rows everything is written all the same, with counts of 0: a gate can then say that it cannot tell. A
    champion that answers something else is named in the report but not scored.

    Args:
        model: Folder of the challenger, written by `export`.
        sets: What to score on.
        champion: Folder written by `fetch_champion`.
        out: Existing folder to fill.
        task: Task both models must be of.
        dataset_digest: Digest of the dataset.
        config: Batching and threads, and what is asked besides; the report keeps it whole.
        change: Makes a changed row, as `change_row` does.

    Raises:
        InputError: A folder is not what it should be, or a row does not suit the models.
        IntegrityError: The champion's bytes are not those the registry speaks of.
    """
    challenger = ExportedModel(model, threads=config.threads, task=task)
    record = read_json_record(ChampionRecord, champion / "champion.json")
    rival = _open_champion(champion, record, task, config)
    problem = "" if rival is None else _why_incomparable(challenger, rival)
    models = {CHALLENGER: challenger} | ({CHAMPION: rival} if rival is not None and not problem else {})
    scoring, subset = Scoring(models, config), _make_subset(config)
    scored = {one.name: scoring.score(one.name, one.rows, None if place else subset) for place, one in enumerate(sets)}
    problem = problem or (_find_dispute(scored) if rival is not None else "")
    write_answers(_join(scored, without_champion=bool(problem)), out / ANSWERS_NAME)
    evaluation = Evaluation(
        task=task,
        dataset_digest=dataset_digest,
        model_digest=challenger.digest,
        answers_digest=digest_file(out / ANSWERS_NAME),
        champion=None if rival is None else _describe_champion(rival, record, problem),
        champion_ever=record.ever,
        labels=challenger.record.labels,
        encoding=challenger.encoding.model_dump(mode="json"),
        sets=tuple(_report_set(one, scored[one.name].unlabelled, challenger, out) for one in sets),
        configuration=resolved(config),
    )
    evaluation.write(out)
    if subset is not None and config.changes is not None:
        compared = {name: model for name, model in models.items() if name == CHALLENGER or not problem}
        again = ChangedScoring(compared, config.changes, config.behaviour, config.batch, change)
        table = read_answers(out / ANSWERS_NAME)
        whole = {name: answers_of(table, sets[0].name, name) for name in (CHALLENGER, CHAMPION)}
        write_robustness(again, subset.items(), whole, evaluation, out)
    return evaluation


def _make_subset(config: ScoringConfig) -> Subset[Labelled] | None:
    return None if config.changes is None else Subset(config.changes.utterances, config.changes.seed)


def _report_set(one: EvaluationRows, unlabelled: int, challenger: ExportedModel, out: Path) -> SetReport:
    table = read_answers(out / ANSWERS_NAME)
    answers = {name: answers_of(table, one.name, name) for name in (CHALLENGER, CHAMPION)}
    measured = {name: measure_answers(given, challenger.task, challenger.encoding) for name, given in answers.items()}
    counts = count_answers(answers[CHALLENGER], unlabelled, challenger.encoding)
    if counts.per_label:
        draw_confusion(_shown(answers), challenger.record.labels, out / _picture_name(one.name))
    measures = MeasuresOfBoth(challenger=measured[CHALLENGER], champion=measured[CHAMPION])
    return SetReport(name=one.name, digest=one.digest, counted=one.counted, counts=counts, measures=measures)


def _shown(answers: dict[str, Answers]) -> dict[str, Answers]:
    return {name: given for name, given in answers.items() if name == CHALLENGER or len(given)}


def _picture_name(evaluation_set: str) -> str:
    return CONFUSION_NAME if evaluation_set == TEST_SPLIT else f"{evaluation_set}-{CONFUSION_NAME}"


def _join(scored: dict[str, Scored], *, without_champion: bool) -> pa.Table:
    table = pa.concat_tables([one.table for one in scored.values()])
    return table.filter(pc.equal(table["model"], CHALLENGER)) if without_champion else table


def _why_incomparable(challenger: ExportedModel, champion: ExportedModel) -> str:
    if challenger.task.ANSWERS_ARE_LABELS and set(challenger.record.labels) != set(champion.record.labels):
        ours, theirs = ", ".join(challenger.record.labels), ", ".join(champion.record.labels)
        return f"the champion answers {theirs}; the challenger {ours}"
    return ""


def _find_dispute(scored: dict[str, Scored]) -> str:
    first = next((one.disputed for one in scored.values() if one.disputed is not None), None)
    return "" if first is None else f"the champion means something else by a right answer, first for {first}"


def _describe_champion(rival: ExportedModel, record: ChampionRecord, incomparable: str) -> Champion:
    return Champion(
        version=record.version,
        model_digest=rival.digest,
        labels=rival.record.labels,
        incomparable=incomparable,
    )


def _open_champion(folder: Path, record: ChampionRecord, task: str, config: ScoringConfig) -> ExportedModel | None:
    if record.model_digest is None:
        return None
    if not (folder / "model").is_dir():
        raise IntegrityError(
            f"{folder.name}/model is missing though champion.json names {record.model_digest[:12]}",
            rule="the champion is scored from its own bytes",
            remedy="run fetch-champion again",
        )
    if (found := digest_tree(folder / "model")) != record.model_digest:
        raise IntegrityError(
            f"{folder.name}/model has digest {found[:12]}",
            rule=f"the registry speaks of {record.model_digest[:12]}",
            remedy="run fetch-champion again",
        )
    return ExportedModel(folder / "model", threads=config.threads, task=task)
