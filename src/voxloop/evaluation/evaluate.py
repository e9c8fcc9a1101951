"""The evaluation of a challenger: it and the champion, scored afresh on the same test rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from voxloop.errors import InputError, IntegrityError
from voxloop.evaluation.answers import CHALLENGER, CHAMPION, answers_of, read_answers, write_answers
from voxloop.evaluation.confusion import draw_confusion
from voxloop.evaluation.measures import measure_answers
from voxloop.evaluation.report import (
    ANSWERS_NAME,
    CONFUSION_NAME,
    Champion,
    ChampionRecord,
    Counts,
    Evaluation,
    MeasuresOfBoth,
    read_json_record,
)
from voxloop.evaluation.scoring import ExportedModel, Floats, Row, ScoringConfig, score_rows
from voxloop.store.digests import digest_file, digest_tree
from voxloop.tasks import emotion


def evaluate_model(
    model: Path,
    rows: Iterable[tuple[Row, Floats]],
    champion: Path,
    out: Path,
    *,
    task: str,
    dataset_digest: str,
    config: ScoringConfig,
) -> Evaluation:
    """Score challenger and champion and write `answers.parquet`, `evaluation.json` and `confusion.png`.

    Without test rows everything is written all the same, with counts of 0: a gate can then say that it cannot tell.
    A champion with other labels is named in the report but not scored.

    Args:
        model: Folder of the challenger, written by `export`.
        rows: The test rows and their waveforms, float32 [samples] in [-1, 1].
        champion: Folder written by `fetch_champion`.
        out: Existing folder to fill.
        task: Task both models must be of.
        dataset_digest: Digest of the dataset the rows are from.
        config: Batching and threads.

    Raises:
        InputError: A folder is not what it should be, or a row does not suit the models.
        IntegrityError: The champion's bytes are not those the registry speaks of.
    """
    challenger = _open_model(model, task, config)
    record = read_json_record(ChampionRecord, champion / "champion.json")
    rival = _open_champion(champion, record, task, config)
    models = {CHALLENGER: challenger}
    if rival is not None and set(rival.record.labels) == set(challenger.record.labels):
        models[CHAMPION] = rival
    labels = challenger.record.labels
    labelled = _LabelledRows(rows)
    write_answers(score_rows(models, labelled, labels=labels, decode=_likeliest, config=config), out / ANSWERS_NAME)
    return _write_report(out, task, dataset_digest, challenger, rival, record, labelled.unlabelled)


def _likeliest(probabilities: Floats, labels: Sequence[str]) -> list[str]:
    encoding = emotion.EmotionEncoding(labels=tuple(labels), weights=(1.0,) * len(labels))
    return [answer["emotion"] for answer in emotion.decode({"probabilities": probabilities}, encoding)]


class _LabelledRows:
    """The rows that carry an emotion; those that do not are counted."""

    def __init__(self, rows: Iterable[tuple[Row, Floats]]) -> None:
        self._rows = rows
        self.unlabelled = 0

    def __iter__(self) -> Iterator[tuple[Row, Floats]]:
        for row, waveform in self._rows:
            if row["emotion"] is None:
                self.unlabelled += 1
            else:
                yield row, waveform


def _write_report(
    out: Path,
    task: str,
    dataset_digest: str,
    challenger: ExportedModel,
    rival: ExportedModel | None,
    record: ChampionRecord,
    unlabelled: int,
) -> Evaluation:
    table = read_answers(out / ANSWERS_NAME)
    labels = challenger.record.labels
    answers = {name: answers_of(table, name) for name in (CHALLENGER, CHAMPION)}
    measures = {name: measure_answers(given, labels) for name, given in answers.items()}
    given = answers[CHALLENGER]
    evaluation = Evaluation(
        task=task,
        dataset_digest=dataset_digest,
        model_digest=challenger.digest,
        answers_digest=digest_file(out / ANSWERS_NAME),
        champion=_describe_champion(rival, record),
        champion_ever=record.ever,
        labels=labels,
        counts=Counts(
            utterances=len(given),
            speakers=given.speaker_count(),
            unlabelled=unlabelled,
            per_label=given.per_label(labels),
        ),
        measures=MeasuresOfBoth(challenger=measures[CHALLENGER], champion=measures[CHAMPION]),
    )
    evaluation.write(out)
    shown = {name: (answers[name], measures[name]) for name in answers if name == CHALLENGER or measures[name]}
    draw_confusion(shown, labels, out / CONFUSION_NAME)
    return evaluation


def _describe_champion(rival: ExportedModel | None, record: ChampionRecord) -> Champion | None:
    if rival is None:
        return None
    return Champion(version=record.version, model_digest=rival.digest, labels=rival.record.labels)


def _open_model(folder: Path, task: str, config: ScoringConfig) -> ExportedModel:
    model = ExportedModel(folder, threads=config.threads)
    if model.record.task != task:
        raise InputError(
            f"{folder.name} is a model of {model.record.task!r}",
            rule=f"this evaluation is of {task!r}",
            remedy="name a model of this task, or pass --task",
        )
    return model


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
    return _open_model(folder / "model", task, config)
