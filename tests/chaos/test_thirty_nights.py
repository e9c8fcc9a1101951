"""Thirty nights of retraining with `gc` each noon: the disk stays flat, and nothing that is needed is ever missing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.release.archives import MemoryArchive, make_version
from voxloop.jobs.gc import collect
from voxloop.release.standing import find_standing
from voxloop.release.versions import (
    APPROVAL,
    APPROVED,
    DATA_DIGEST,
    EVALUATION_DIGEST,
    JUDGED_AGAINST,
    MODEL_DIGEST,
    NO_CHAMPION,
    PROMOTED_AT,
)
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree
from voxloop.store.job_store import run_step
from voxloop.store.retention import RetentionConfig
from voxloop.store.sweep import weigh

NIGHTS, WARM = 30, 12
FIRST = datetime(2026, 9, 1, 2, tzinfo=UTC)
CONFIG = RetentionConfig(nights=5, run_days=3, grace_hours=24, prediction_days=8, profile_days=8, spoilt_days=1)
PROMOTED = (2, 4, 9)
"""Nights whose model a person approves: the champion of night 9 is three weeks old in the end."""
STALE = (21, 22)
"""Nights whose pipeline fails half-way."""
LINEAGE = (
    ("ingest", ()),
    ("features", ("ingest",)),
    ("train", ("ingest",)),
    ("export", ("train",)),
    ("evaluate", ("export", "ingest")),
)


@dataclass
class Loop:
    """A machine that retrains every night."""

    settings: Settings
    corpora: Path
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    computed: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def pipeline(self, night: int, out: Path, *, until: str = "") -> dict[str, Path]:
        """Run the steps of one night into `out`; the same arguments give the same bytes."""
        corpus = self.corpora / f"{night}.txt"
        corpus.write_text(f"recordings of night {night}")
        folders: dict[str, Path] = {}
        for step, reads in LINEAGE:
            inputs = {"path": corpus} if step == "ingest" else {name: folders[name] for name in reads}
            place = out / "steps" / "training-x" / step / "out"
            folders[step] = run_step(step, inputs=inputs, config={}, out=place, work=self.work(step, night))
            if step == until:
                break
        return folders

    def work(self, step: str, night: int) -> Callable[[Path], None]:
        def fill(folder: Path) -> None:
            self.computed.append(step)
            (folder / "part.bin").write_bytes(f"{step} {night} ".encode() * 500)

        return fill

    def night(self, night: int) -> None:
        """Retrain, track, register; approve and promote on some nights; log a day of predictions; collect at noon."""
        at = FIRST + timedelta(days=night)
        run = self.settings.home / "runs" / f"night-{night}"
        failed = night in STALE
        folders = self.pipeline(night, run, until="train" if failed else "")
        result = {"pipeline": "training", "error": {"step": "export"} if failed else None}
        if not failed:
            result |= {"run_id": f"run{night}", "model_digest": digest_tree(folders["export"])}
            self.register(night, folders, at)
        (run / "result.json").write_text(json.dumps(result))
        day = self.settings.home / "predictions" / f"day={at.date()}"
        day.mkdir(parents=True)
        (day / "log.bin").write_bytes(b"p" * 5000)
        self.date(at)
        if night in PROMOTED:
            self.promote(night, at)
        collect(self.settings, self.archive, CONFIG, at + timedelta(hours=10))
        self.sizes.append(weigh(self.settings.home) + sum(map(len, self.contents())))

    def contents(self) -> Iterator[bytes]:
        for files in self.archive.artifacts.values():
            yield from files.values()

    def register(self, night: int, folders: dict[str, Path], at: datetime) -> None:
        standing = self.archive.models.get("emotion")
        champion = standing.aliases.get("champion") if standing else None
        digests = {one.number: one.model_digest for one in standing.versions} if standing else {}
        tags = {
            MODEL_DIGEST: digest_tree(folders["export"]),
            DATA_DIGEST: digest_tree(folders["ingest"]),
            EVALUATION_DIGEST: digest_tree(folders["evaluate"]),
            JUDGED_AGAINST: digests[champion] if champion else NO_CHAMPION,
            **({} if night % 3 else {"approval": "rejected"}),
        }
        version = make_version(night, tags)
        self.archive.add(version, {"model/model.onnx": b"m" * 4000}, changed=at.timestamp())
        self.archive.set_aliases("emotion", **{**self.archive.models["emotion"].aliases, "challenger": night})

    def promote(self, night: int, at: datetime) -> None:
        model = self.archive.models["emotion"]
        before = model.aliases.get("champion")
        (version,) = (one for one in model.versions if one.number == night)
        place = self.settings.model_repository / version.serving_name
        place.mkdir(parents=True)
        (place / "model.onnx").write_bytes(b"m" * 4000)
        self.archive.tag_version(version, APPROVAL, APPROVED)
        self.archive.tag_version(version, PROMOTED_AT, at.isoformat())
        aliases = {**model.aliases, "champion": night, **({"fallback": before} if before else {})}
        self.archive.set_aliases(
            "emotion", **{name: number for name, number in aliases.items() if name != "challenger"}
        )
        self.date(at, place)

    def date(self, at: datetime, root: Path | None = None) -> None:
        """Give what was written tonight tonight's date."""
        for path in (root or self.settings.home).rglob("*"):
            if path.lstat().st_mtime > FIRST.timestamp() + 86400 * (NIGHTS + 2):
                os.utime(path, (at.timestamp(), at.timestamp()), follow_symlinks=False)

    def replay(self, night: int, out: Path) -> list[str]:
        """Run the pipeline of a night again and return the steps that had to be computed."""
        self.computed.clear()
        with keeping_dates(self.settings.store):
            self.pipeline(night, out)
        return list(self.computed)


@contextmanager
def keeping_dates(root: Path) -> Iterator[None]:
    """Let reading again be no reason to keep: reuse is stamped with the true clock, these nights lie in the past."""
    before = {path: path.lstat().st_mtime for path in root.rglob("*")}
    yield
    for path, moment in before.items():
        os.utime(path, (moment, moment))


@pytest.fixture
def loop(settings: Settings, tmp_path: Path) -> Loop:
    (tmp_path / "corpora").mkdir()
    return Loop(settings, tmp_path / "corpora")


def kept_nights(today: int) -> list[int]:
    """Return the newest nights that came to their end."""
    return [night for night in range(today, 0, -1) if night not in STALE][: CONFIG.nights]


def test_the_disk_stays_flat_and_nothing_needed_is_missing(loop: Loop, tmp_path: Path) -> None:
    for night in range(1, NIGHTS + 1):
        loop.night(night)
        model = loop.archive.models["emotion"]
        standing = find_standing(model)
        for version in model.versions:
            if version.number in standing:
                assert loop.archive.artifacts[version.run_id], f"night {night}: {version} lost its artifacts"
                promoted = version.number in PROMOTED
                assert not promoted or (loop.settings.model_repository / version.serving_name).is_dir()
        if night % 6 == 0:
            for number in {*kept_nights(night), *standing}:
                assert loop.replay(number, tmp_path / "again" / f"{night}-{number}") == [], f"night {night}: {number}"
    assert (model.aliases["champion"], model.aliases["fallback"]) == (9, 4)
    warm, later = loop.sizes[WARM : WARM + 6], loop.sizes[WARM + 6 :]
    print(f"bytes by night: {loop.sizes}")
    assert max(later) <= max(warm) * 1.2, "the runs of two failed nights stay for some days"
    assert loop.sizes[-1] <= max(warm), "and then it is as before"
    assert len(list((loop.settings.home / "runs").iterdir())) <= CONFIG.nights + len(standing) + CONFIG.run_days
