"""A small state folder in which three speakers have left their voice everywhere a voice can be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from tests.unit.jobs.datasets import make_rows, make_utterance, write_dataset
from tests.unit.release.archives import MemoryArchive, make_version
from voxloop.adapters.feast import apply_declarations, materialize_features, open_feature_store, publish_features
from voxloop.data.evaluation_set_files import digest_rows, make_read_only, write_rows
from voxloop.data.evaluation_sets import EvaluationSet, verify_evaluation_set, write_record
from voxloop.data.shards import iter_audio
from voxloop.jobs.features import features
from voxloop.release.reviews import SPEAKERS_ARTIFACT
from voxloop.settings import Settings
from voxloop.store.job_store import run_step

SPEAKERS = {"train": ["annika", "bogdan"], "test": ["dan"]}
TESTED = "emotion/by-hand-2026-11-20"
LABELS = ("anger", "neutral")
GREP = Path(__file__).resolve().parents[1] / "services" / "sample_grep.py"


@dataclass
class World:
    """Where everything is."""

    settings: Settings
    outside: Path
    """A dataset outside the state folder, as `dvc repro` leaves it."""
    archive: MemoryArchive
    needles: Path

    def grep(self) -> list[str]:
        """Return the files that hold a recording of ann, found by a program of its own."""
        roots = [str(self.settings.home), str(self.outside)]
        done = subprocess.run(
            [sys.executable, str(GREP), str(self.needles), *roots], capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        *hits, last = map(json.loads, done.stdout.splitlines())
        assert last["files"] > 8, "it has looked"
        assert (done.returncode == 0) is bool(hits)
        return sorted(hit["file"] for hit in hits)


def build_world(settings: Settings, place: Path, *, feast: bool) -> World:
    """Fill a state folder through the steps themselves."""
    place.mkdir(exist_ok=True)
    rows = make_rows(SPEAKERS, LABELS)
    made = write_dataset(place / "made", rows)
    source = place / "source.txt"
    source.write_text("a corpus")
    run = settings.home / "runs" / "night-1"
    steps = run / "steps" / "training-1"
    dataset = run_step(
        "ingest",
        inputs={"path": source},
        config={},
        out=steps / "ingest" / "out",
        work=lambda folder: copy_into(folder, made),
    )
    tables = features(dataset, steps / "features" / "out")
    answers = {"utterance_id": [row["utterance_id"] for row in rows], "model": ["challenger"] * len(rows)}
    run_step(
        "evaluate",
        inputs={"dataset": dataset},
        config={},
        out=steps / "evaluate" / "out",
        work=lambda folder: pq.write_table(pa.table(answers), folder / "answers.parquet"),
    )
    weights = {"schema_version": 1, "train": ["annika", "bogdan"], "dev": []}
    run_step(
        "train",
        inputs={"dataset": dataset},
        config={},
        out=steps / "train" / "out",
        work=lambda folder: write_json(folder / "speakers.json", weights),
    )
    (run / "result.json").write_text(json.dumps({"pipeline": "training", "error": None}))
    (run / "kfp.log").write_text("ingest: done\nannika-anger-0 is loud\ntrain: done\n")
    freeze(write_dataset(settings.evaluation_sets / TESTED, make_rows({"test": ["annika", "dan"]}, LABELS)))
    outside = place / "data" / "dataset"
    shutil.copytree(dataset, outside)
    leave_strays(settings, outside)
    if feast:
        publish_features(tables)
        apply_declarations()
        materialize_features(open_feature_store(), at=max(row["recorded_at"] for row in rows) + timedelta(days=1))
    return World(settings, outside.parent, make_archive(tables), write_needles(place / "needles"))


def copy_into(folder: Path, source: Path) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True)


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def freeze(folder: Path) -> None:
    """Make an evaluation set of a dataset folder, as `voxloop evalset cut` does."""
    write_rows(folder, digest_rows(folder))
    blank = EvaluationSet(
        name=folder.name,
        task=folder.parent.name,
        domain="by-hand",
        date=date(2026, 11, 20),
        by="speaker",
        split="test",
        looks="counted",
        corpus="by hand",
        rows=0,
        speakers=0,
        rows_digest="",
        files={},
    )
    write_record(blank.describe(folder), folder)
    make_read_only(folder)
    verify_evaluation_set(folder)


def leave_strays(settings: Settings, dataset: Path) -> None:
    """Leave what killed or spoilt steps leave, and a question somebody asked by hand."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (f".k.building-{ended.pid}-abc", ".spoilt-k-0011", ".doomed-k-0011"):
        shutil.copytree(dataset / "shards", settings.store / "ingest" / name)
    row, waveform = next(iter_audio(dataset))
    assert row["speaker_id"] == "annika"
    soundfile.write(settings.home / f"ask-{row['utterance_id']}.wav", waveform, 16_000, subtype="PCM_16")


def write_needles(folder: Path) -> Path:
    """Write the recordings of ann as they were made, and as the datasets hold them."""
    folder.mkdir()
    for label in LABELS:
        waveform = make_utterance("annika", label, 0).waveform
        assert waveform is not None
        samples = np.clip(np.rint(waveform * 32768), -32768, 32767).astype("<i2")
        (folder / f"annika-{label}.pcm").write_bytes(samples.tobytes())
        (row,) = (one for one in make_rows({"train": ["annika"]}, (label,)))
        (folder / f"annika-{label}.flac").write_bytes(row["audio"])
    return folder


def make_archive(tables: Path) -> MemoryArchive:
    """Return a registry: version 1 learnt from ann, 2 (champion) from ann and bob, 3 from bob, 4 does not say."""
    archive = MemoryArchive()
    for number, speakers in ((1, ["annika"]), (2, ["annika", "bogdan"]), (3, ["bogdan"])):
        listed = json.dumps({"schema_version": 1, "train": speakers, "dev": []}).encode()
        rows = (tables / "utterance_prosody.parquet").read_bytes()
        archive.add(
            make_version(number),
            {
                SPEAKERS_ARTIFACT: listed,
                "evaluation/answers.parquet": rows,
                "data_report/report.json": b'{"failing": ["annika-anger-0"]}',
                "poison/poison.json": b'{"worst": ["bogdan-anger-0"]}',
                "model/model.onnx": b"weights",
            },
        )
    archive.add(make_version(4), {})
    archive.set_aliases("emotion", champion=2, fallback=4)
    return archive
