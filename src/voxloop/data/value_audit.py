"""Numbers that belong to a person, such as traits: who lies out of line, and which source is shifted as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voxloop.data.audit_rows import AuditRows, Names, Numbers
from voxloop.data.poison_config import PoisonConfig
from voxloop.data.poison_report import GroupFinding


@dataclass(frozen=True)
class People:
    """One row a speaker: mean of the column, mean of the features (None when not everybody was heard), first source."""

    speakers: Names
    sources: Names
    values: Numbers
    features: Numbers | None


def average_by_speaker(rows: AuditRows, column: str) -> People:
    """Bring the rows that have a number in `column` to one row a speaker."""
    rows = rows.select(np.array([value is not None for value in rows.columns[column]], dtype=np.bool_))
    speakers, first, index = np.unique(rows.speakers, return_index=True, return_inverse=True)
    counts = np.bincount(index, minlength=len(speakers))
    values = np.bincount(index, weights=rows.columns[column].astype(np.float64), minlength=len(speakers)) / counts
    features = np.zeros((len(speakers), rows.features.shape[1]))
    np.add.at(features, index, rows.features)
    heard = bool(rows.heard.all()) and len(speakers) > 0
    return People(speakers, rows.sources[first], values, features / counts[:, None] if heard else None)


def judge_speakers(people: People, scores: Numbers, column: str, config: PoisonConfig) -> list[GroupFinding]:
    """Return an alarm for every speaker whose residual lies beyond `value_limit`."""
    return [
        _finding("speaker", str(people.speakers[index]), column, 1, 1, float(abs(scores[index])), config.value_limit)
        for index in np.flatnonzero(np.abs(scores) > config.value_limit)
    ]


def judge_sources(people: People, scores: Numbers, column: str, config: PoisonConfig) -> list[GroupFinding]:
    """Hold each source's residuals against the others' by Welch's t; a shift too small to matter is no alarm."""
    from scipy.stats import ttest_ind

    sources = [str(one) for one in np.unique(people.sources) if (people.sources == one).sum() >= 3]
    findings = []
    for source in sources:
        inside = people.sources == source
        if (~inside).sum() < 3:
            continue
        shift = float(np.median(scores[inside]) - np.median(scores[~inside]))
        p_value = float(ttest_ind(scores[inside], scores[~inside], equal_var=False).pvalue)
        matters = abs(shift) > config.source_shift and not np.isnan(p_value)
        limit = config.alpha / len(sources)
        findings.append(
            GroupFinding(
                group="source",
                name=source,
                kind="value",
                about=f"{column} shifted by {shift:+.1f} sd",
                rows=int(inside.sum()),
                suspicious=int((np.abs(scores[inside]) > config.value_limit).sum()),
                share=float((np.abs(scores[inside]) > config.value_limit).mean()),
                expected=0.0,
                p_value=p_value if matters else 1.0,
                limit=limit,
                alarm=matters and p_value < limit,
            )
        )
    return findings


def _finding(group: str, name: str, column: str, rows: int, found: int, score: float, limit: float) -> GroupFinding:
    from scipy.stats import norm

    return GroupFinding(
        group="speaker" if group == "speaker" else "source",
        name=name,
        kind="value",
        about=f"{column} at {score:.1f} sd",
        rows=rows,
        suspicious=found,
        share=1.0,
        expected=0.0,
        p_value=float(2.0 * norm.sf(score)),
        limit=float(2.0 * norm.sf(limit)),
        alarm=True,
    )
