"""Which speakers and sources hold more suspicious utterances than clean ones do.

Who is suspicious is somebody else's judgement (`voxloop.adapters.cleanlab`); here the suspicions are counted by speaker
and by source, and each is held against the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from voxloop.data.audit_rows import AuditRows, Mask, Names, Numbers
from voxloop.data.group_test import Cell, NullConfig, judge_group, tail
from voxloop.data.poison_config import PoisonConfig
from voxloop.data.poison_report import Group, GroupFinding


def standardise_speakers(features: Numbers, speakers: Names, labels: Names) -> Numbers:
    """Take each speaker's own mean and spread out of the features, where the speaker's labels are mixed enough.

    Somebody of whom one label makes up more than 60 % would lose that label with the mean, and is centred on
    everybody. The spread is mixed with everybody's, for a dozen utterances say little about one's own.
    """
    scale = features.std(axis=0) + 1e-6
    out: Numbers = (features - features.mean(axis=0)) / scale
    for speaker in np.unique(speakers):
        mine = speakers == speaker
        if np.unique(labels[mine], return_counts=True)[1].max() <= 0.6 * mine.sum():
            part = features[mine]
            out[mine] = (part - part.mean(axis=0)) / (part.std(axis=0) + 0.3 * scale)
    return out


class Cells:
    """The rows dealt out by speaker and source: what a group is made of."""

    def __init__(self, rows: AuditRows) -> None:
        pairs = np.stack([rows.speakers, rows.sources], axis=1)
        unique, index = np.unique(pairs, axis=0, return_inverse=True)
        self._names = {"speaker": unique[:, 0], "source": unique[:, 1]}
        self._index = index.reshape(-1)

    def names(self, group: Group) -> Names:
        """Return the speakers, or the sources, sorted."""
        return np.unique(self._names[group])

    def count(self, mask: Mask) -> NDArray[np.int64]:
        """Count rows where `mask` is true, by cell."""
        return np.bincount(self._index[mask], minlength=len(self._names["speaker"])).astype(np.int64)

    def part(self, group: Group, name: str, rows: NDArray[np.int64], found: NDArray[np.int64]) -> tuple[Cell, Cell]:
        """Return the cells inside the group and those outside, without the empty ones."""
        inside = self._names[group] == name
        some = rows > 0
        return tuple(Cell(rows[where & some], found[where & some]) for where in (inside, ~inside))  # type: ignore[return-value]

    def size(self, group: Group, name: str, rows: NDArray[np.int64]) -> int:
        """Return how many rows a group has."""
        return int(rows[self._names[group] == name].sum())


def judge_groups(
    rows: AuditRows, suspicious: Mask, kind: str, null: NullConfig, config: PoisonConfig
) -> list[GroupFinding]:
    """Hold every speaker and every source against the others. One source alone has no others and is not judged."""
    cells = Cells(rows)
    total, found = cells.count(np.ones(len(rows.ids), dtype=np.bool_)), cells.count(suspicious)
    findings: list[GroupFinding] = []
    for group in ("speaker", "source"):
        names = [name for name in cells.names(group) if cells.size(group, name, total) >= config.minimum_group_rows]
        if len(cells.names(group)) < 2:
            continue
        for name in names:
            inside, outside = cells.part(group, name, total, found)
            test = judge_group(inside, outside, null, null.excess(group))
            findings.append(_finding(group, name, kind, "", inside, test.rate, test.p_value, config.alpha / len(names)))
    return findings


def judge_relabelled(
    rows: AuditRows, labels: Names, suggested: Names, suspicious: Mask, config: PoisonConfig
) -> list[GroupFinding]:
    """Look for a label that a group lacks under the other labels of that group.

    Who turns all of somebody's anger into happiness leaves them without anger. Only such gaps are tested, so few tests
    share alpha, and four utterances that sound angry among eight happy ones are an alarm; which gaps there are
    depends on the given labels alone, which keeps the level.
    """
    cells = Cells(rows)
    known = np.unique(labels)
    by_label = {str(label): cells.count(labels == label) for label in known}
    findings: list[GroupFinding] = []
    for group in ("speaker", "source"):
        gaps = list(_gaps(cells, group, by_label))
        limit = config.alpha / max(1, len(gaps) * (len(known) - 1))
        for name, missing in gaps:
            for given in known[known != missing]:
                hidden = suspicious & (labels == given) & (suggested == missing)
                inside, outside = cells.part(group, name, by_label[str(given)], cells.count(hidden))
                if inside.suspicious.sum() >= 2:  # one is always chance
                    test = judge_group(inside, outside, config.relabelled, config.relabelled.excess(group))
                    about = f"{given} -> {missing}"
                    findings.append(_finding(group, name, "relabelled", about, inside, test.rate, test.p_value, limit))
    return findings


def describe_power(findings: Sequence[GroupFinding], null: NullConfig) -> str | None:
    """Say from how many suspicious labels on the typical speaker would be an alarm; None if no number would."""
    speakers = [one for one in findings if one.group == "speaker" and one.kind == "label"]
    if not speakers:
        return None
    typical = sorted(speakers, key=lambda one: one.rows)[len(speakers) // 2]
    if typical.limit is None:
        return None
    least = int(typical.rows * (typical.expected + null.speaker_excess)) + 1
    for found in range(least, typical.rows + 1):
        if tail(found, typical.rows, typical.expected, null.floor) < typical.limit:
            return f"a speaker with {typical.rows} utterances is an alarm from about {found} suspicious labels on"
    return None


def _gaps(cells: Cells, group: Group, by_label: dict[str, NDArray[np.int64]]) -> Iterator[tuple[str, str]]:
    """Yield (group, label) where the rest lets expect two or more of a label and at most half of them are there."""
    everything = np.sum(list(by_label.values()), axis=0)
    if len(cells.names(group)) < 2:
        return
    for name in cells.names(group):
        size = cells.size(group, name, everything)
        others = int(everything.sum()) - size
        for label, counts in by_label.items():
            mine = cells.size(group, name, counts)
            expected = size * (int(counts.sum()) - mine) / max(1, others)
            if expected >= 2 and mine <= expected / 2:
                yield str(name), label


def _finding(
    group: Group, name: str, kind: str, about: str, inside: Cell, expected: float, p_value: float, limit: float
) -> GroupFinding:
    rows, found = int(inside.rows.sum()), int(inside.suspicious.sum())
    return GroupFinding(
        group=group,
        name=str(name),
        kind=kind,
        about=about,
        rows=rows,
        suspicious=found,
        share=found / max(rows, 1),
        expected=expected,
        p_value=p_value,
        limit=limit,
        alarm=p_value < limit,
    )
