"""Everything an audit looks for when speakers and sources are held against the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voxloop.data.audit_rows import AuditRows, Names, Numbers
from voxloop.data.label_audit import describe_power, judge_groups, judge_relabelled
from voxloop.data.poison_config import PoisonConfig
from voxloop.data.poison_report import PoisonReport, Suspicious, cannot_tell
from voxloop.data.suspicion import Part, Suspects, add_up, name_suspicious


def audit_rows(rows: AuditRows, config: PoisonConfig, task: str, suspects: Suspects) -> PoisonReport:
    """Audit a training split, every speaker and every source against the others.

    Args:
        rows: As `read_rows` returns them.
        config: The thresholds.
        task: For the report.
        suspects: Who forms the suspicions.
    """
    speakers, sources = len(np.unique(rows.speakers)), len(np.unique(rows.sources))
    if too_few := list(_too_few(len(rows.ids), speakers, config)):
        counts = {"rows": len(rows.ids), "speakers": speakers, "sources": sources}
        return cannot_tell(tuple(too_few), task=task, compared_with="others", **counts)
    return add_up(rows, list(_audit_parts(rows, config, suspects)), config, task)


def _too_few(rows: int, speakers: int, config: PoisonConfig) -> Iterator[str]:
    if rows < config.minimum_rows:
        yield f"{rows} training rows; {config.minimum_rows} is the least that can be judged"
    if speakers < config.minimum_speakers:
        yield f"{speakers} training speakers; each is held against the rest, and that takes {config.minimum_speakers}"


def _audit_parts(rows: AuditRows, config: PoisonConfig, suspects: Suspects) -> Iterator[Part]:
    heard = rows.select(rows.heard)
    if heard.ids.size:
        yield _audit_sounds(heard, config, suspects)
    if config.label_column:
        yield _audit_labels(heard, config.label_column, config, suspects)
    if config.transcripts:
        yield _audit_transcripts(heard, config, suspects)
    for column in config.value_columns:
        yield _audit_values(rows, column, config, suspects)


def _audit_sounds(rows: AuditRows, config: PoisonConfig, suspects: Suspects) -> Part:
    if len(rows.ids) < config.minimum_rows:
        return Part(open_questions=[f"{len(rows.ids)} rows with sound; {config.minimum_rows} is the least"])
    scores = suspects.score_outliers(rows.features, config.outlier)
    mask = scores > config.outlier.limit
    return Part(
        findings=judge_groups(rows, mask, "sound", config.sound, config),
        suspicious=name_suspicious(rows, mask, "sound", "sound", -scores, scores),
    )


def _audit_labels(rows: AuditRows, column: str, config: PoisonConfig, suspects: Suspects) -> Part:
    rows = rows.select(np.array([label is not None for label in rows.columns[column]], dtype=np.bool_))
    labels = rows.columns[column].astype(np.str_)
    if too_few := list(_too_few(len(labels), len(np.unique(rows.speakers)), config)):
        return Part(open_questions=[f"with a label: {why}" for why in too_few])
    if len(known := np.unique(labels)) < 2:
        return Part(open_questions=[f"{known[0]} is the only label: nothing can contradict it"])
    opinion = suspects.suspect_labels(rows.features, labels, rows.speakers, config.folds)
    share = float(opinion.suspicious.mean())
    part = Part(
        findings=judge_groups(rows, opinion.suspicious, "label", config.label, config),
        suspicious=name_suspicious(
            rows, opinion.suspicious, "label", labels, opinion.confidence, opinion.confidence, opinion.suggested
        ),
        notes=[f"{share:.1%} of the labels are suspicious"],
    )
    part.findings += judge_relabelled(rows, labels, opinion.suggested, opinion.suspicious, config)
    _judge_sight(rows, part, share, config)
    return part


def _judge_sight(rows: AuditRows, part: Part, share: float, config: PoisonConfig) -> None:
    """Say what could have been noticed; where little could, clean findings mean nothing."""
    if share > config.maximum_suspicious:
        part.open_questions.append(
            f"{share:.0%} of the labels contradict what the other speakers teach ({config.maximum_suspicious:.0%} is "
            "the most): either most are wrong, or these sounds do not tell them"
        )
    power = describe_power(part.findings, config.label)
    if power is None and len(np.unique(rows.sources)) < 2:
        part.open_questions.append("the speakers have too few utterances each, and there is one source: nobody to hold")
    part.notes.append(power or "the speakers have too few utterances each to be judged alone")


def _audit_transcripts(rows: AuditRows, config: PoisonConfig, suspects: Suspects) -> Part:
    """Find texts that are too long or too short for their sound: characters a second, beside the speaker's own pace."""
    rows = rows.select(np.array([text is not None for text in rows.columns["text"]], dtype=np.bool_))
    if too_few := list(_too_few(len(rows.ids), len(np.unique(rows.speakers)), config)):
        return Part(open_questions=[f"with a transcript: {why}" for why in too_few])
    characters = np.array([len(text) for text in rows.columns["text"]], dtype=np.float64)
    seconds = rows.columns["duration_s"].astype(np.float64)
    scores = np.abs(suspects.robust_z(_pace(characters, seconds, rows.speakers)))
    mask = scores > config.pace_limit
    given = np.array([f"{pace:.1f} chars/s" for pace in characters / seconds], dtype=np.str_)
    return Part(
        findings=judge_groups(rows, mask, "transcript", config.transcript, config),
        suspicious=name_suspicious(rows, mask, "transcript", given, -scores, scores),
        notes=[f"{mask.mean():.1%} of the transcripts do not fit their duration"],
    )


def _pace(characters: Numbers, seconds: Numbers, speakers: Names) -> Numbers:
    """Return log duration beside what the number of characters lets expect, beside the speaker's median."""
    log_seconds, log_characters = np.log(seconds), np.log(characters + 1.0)
    slope, level = np.polyfit(log_characters, log_seconds, 1) if np.ptp(log_characters) > 0 else (0.0, 0.0)
    residual = np.asarray(log_seconds - slope * log_characters - level)
    for speaker in np.unique(speakers):
        mine = speakers == speaker
        residual[mine] -= np.median(residual[mine])
    return residual


def _audit_values(rows: AuditRows, column: str, config: PoisonConfig, suspects: Suspects) -> Part:
    """Find numbers out of line, a speaker at a time: a trait is one truth a person."""
    from voxloop.data.value_audit import average_by_speaker, judge_sources, judge_speakers

    people = average_by_speaker(rows, column)
    if len(people.speakers) < config.minimum_speakers:
        return Part(
            open_questions=[f"{len(people.speakers)} speakers have {column}; {config.minimum_speakers} is least"]
        )
    scores = suspects.score_values(people.features, people.values, config.folds)
    found = judge_speakers(people, scores, column, config)
    return Part(
        findings=[*found, *judge_sources(people, scores, column, config)],
        suspicious=[
            Suspicious(
                kind="value",
                utterance_id="",
                speaker_id=str(people.speakers[index]),
                source=str(people.sources[index]),
                given=f"{column} {people.values[index]:.3g}",
                suspected=None,
                score=float(scores[index]),
            )
            for index in np.flatnonzero(np.abs(scores) > config.value_limit)
        ],
    )
