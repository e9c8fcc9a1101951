"""What an audit looks for when every speaker is held against that speaker's own other utterances.

Of a few speakers nobody can be held against the others. Within one speaker labels are told far more easily: of nEMO's
six, a linear discriminant on 62 numbers tells 86 to 96 %, where the other five speakers teach 46 %. What is found is
what contradicts the bulk of a speaker's own labels, and nothing else (`poison_report.OWN_ONLY`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voxloop.data.audit_rows import AuditRows, Mask
from voxloop.data.poison_config import OwnConfig
from voxloop.data.poison_report import GroupFinding, PoisonReport, cannot_tell
from voxloop.data.suspicion import Part, Suspects, add_up, name_suspicious


def audit_own(rows: AuditRows, config: OwnConfig, task: str, suspects: Suspects) -> PoisonReport:
    """Audit a training split, every speaker against the own other utterances.

    Args:
        rows: As `read_rows` returns them.
        config: The bounds.
        task: For the report.
        suspects: Who forms the suspicions.
    """
    if not rows.ids.size:
        return cannot_tell(("0 training rows",), task=task, compared_with="own")
    labelled = np.array([label is not None for label in rows.columns[config.label_column]], dtype=np.bool_)
    judged = rows.select(rows.heard & labelled)
    thin = list(_thin_speakers(rows, judged, config))
    enough = judged.select(~np.isin(judged.speakers, [speaker for speaker, _ in thin]))
    parts = [Part(open_questions=[why for _, why in thin])] if thin else []
    if enough.ids.size:
        parts += [_audit_sounds(enough, config, suspects), _audit_labels(enough, config, suspects)]
    return add_up(rows, parts, config, task)


def _thin_speakers(rows: AuditRows, judged: AuditRows, config: OwnConfig) -> Iterator[tuple[str, str]]:
    """Yield speakers who cannot be held against themselves, and why."""
    for speaker in np.unique(rows.speakers):
        mine = judged.speakers == speaker
        labels = np.unique(judged.columns[config.label_column][mine].astype(np.str_))
        if mine.sum() < config.minimum_speaker_rows:
            least = f"{config.minimum_speaker_rows} is the least to hold somebody against themselves"
            yield str(speaker), f"speaker {speaker} has {mine.sum()} rows with a sound and a label; {least}"
        elif len(labels) < 2:
            yield str(speaker), f"{labels[0]} is the only label of speaker {speaker}: nothing can contradict it"


def _audit_sounds(rows: AuditRows, config: OwnConfig, suspects: Suspects) -> Part:
    """Find sounds apart from the speaker's others; beside one other speaker, a voice itself would lie apart."""
    scores = np.zeros(len(rows.ids))
    for speaker in np.unique(rows.speakers):
        mine = rows.speakers == speaker
        scores[mine] = suspects.score_outliers(rows.features[mine], config.outlier)
    mask = scores > config.outlier.limit
    return Part(
        findings=_judge_speakers(rows, mask, "sound", config.maximum_outlying),
        suspicious=name_suspicious(rows, mask, "sound", "sound", -scores, scores),
    )


def _audit_labels(rows: AuditRows, config: OwnConfig, suspects: Suspects) -> Part:
    labels = rows.columns[config.label_column].astype(np.str_)
    suggested, confidence = labels.copy(), np.ones(len(labels))
    contradicted = np.zeros(len(labels), dtype=np.bool_)
    part = Part()
    for speaker in np.unique(rows.speakers):
        mine = rows.speakers == speaker
        opinion = suspects.suspect_within(rows.features[mine], labels[mine], config.folds, config.contradicted_below)
        suggested[mine], confidence[mine], contradicted[mine] = (
            opinion.suggested,
            opinion.confidence,
            opinion.suspicious,
        )
        _judge_sight(part, str(speaker), float((suggested[mine] != labels[mine]).mean()), config)
    part.findings += _judge_speakers(rows, contradicted, "label", config.maximum_contradicted)
    part.suspicious += name_suspicious(rows, contradicted, "label", labels, confidence, confidence, suggested)
    return part


def _judge_sight(part: Part, speaker: str, mistaken: float, config: OwnConfig) -> None:
    """Say how well a speaker's labels are told; where they are not, few contradictions mean nothing."""
    part.notes.append(f"{1.0 - mistaken:.1%} of the labels of speaker {speaker} are what their own other sounds say")
    if mistaken > config.maximum_mistaken:
        part.open_questions.append(
            f"{mistaken:.0%} of the labels of speaker {speaker} are not what their own other sounds say "
            f"({config.maximum_mistaken:.0%} is the most): either most are wrong, or these sounds do not tell them"
        )


def _judge_speakers(rows: AuditRows, suspicious: Mask, kind: str, most: float) -> list[GroupFinding]:
    """Hold every speaker's suspicious share against the largest one allowed."""
    findings = []
    for speaker in np.unique(rows.speakers):
        mine = suspicious[rows.speakers == speaker]
        share = float(mine.mean())
        findings.append(
            GroupFinding(
                group="speaker",
                name=str(speaker),
                kind=kind,
                rows=len(mine),
                suspicious=int(mine.sum()),
                share=share,
                expected=most,
                p_value=None,
                limit=None,
                alarm=share > most,
            )
        )
    return findings
