"""From requests to what a retraining reads: log, labels, `collect`, `ingest`, `evalset cut`, `leakage`."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.tiny_nemo import write_tiny_nemo
from tests.fixtures.tiny_production import write_tiny_production
from tests.unit.data.leak_datasets import make_voice
from tests.unit.monitoring.callers import NOON, make_answer, no_sync, write_log
from tests.unit.monitoring.labelled import KEYS, LABELS
from tests.unit.monitoring.predictions import make_prediction, open_log
from voxloop.cli import run_command
from voxloop.data.evaluation_sets import list_evaluation_sets
from voxloop.data.manifest import load_manifest
from voxloop.data.shards import read_manifest
from voxloop.monitoring.feedback import is_person, read_quarantine, record_feedback
from voxloop.monitoring.prediction import Prediction
from voxloop.monitoring.pseudonyms import KEY_BYTES
from voxloop.monitoring.request_ids import make_request_id
from voxloop.monitoring.request_lookup import know_request
from voxloop.monitoring.sound_measures import SoundMeasurer
from voxloop.runners.retrain import digest_data
from voxloop.settings import Settings

__all__ = ["no_sync"]  # a fixture of that file
SPEAKERS, EACH = 12, 9
DAYS = ["--since", "2026-11-28", "--until", "2026-11-29"]


def predict(number: int) -> tuple[Prediction, str]:
    """Return an answer with a sound of its own, one of six wrong, and what it should have been."""
    speaker, place = divmod(number, EACH)
    at, truth = NOON + timedelta(seconds=number), LABELS[place % 4]
    said = LABELS[(place + 1) % 4] if number % 6 == 0 else truth
    made = make_prediction(
        0,
        at=at,
        request_id=make_request_id(at),
        answer={"emotion": said, "probabilities": {label: 0.7 if label == said else 0.1 for label in LABELS}},
        speaker_id=f"caller {speaker}",
        consent=number != 50,
        duration_s=0.5,
        waveform=np.asarray(make_voice(number, seconds=0.5) * 32_767, dtype=np.int16),
    )
    return made, truth


@pytest.fixture
def produced(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A log that the gateway's own writer wrote, and labels of three keys."""
    # A key that does not change: with another one other speakers would be in the test split.
    keys = settings.home / "keys.json"
    keys.parent.mkdir(parents=True, exist_ok=True)
    keys.touch(mode=0o600)
    keys.write_text(json.dumps({"keys": {"1": "5a" * KEY_BYTES}}))
    # Measuring compiles for ten seconds of the processor, and a corpus has no use for it: rows go unmeasured.
    monkeypatch.setattr(SoundMeasurer, "start", lambda _: None)
    log = open_log(settings.home, drain_seconds=0.0)
    log.start()
    for number in range(SPEAKERS * EACH):
        prediction, truth = predict(number)
        log.take(prediction)
        known, key = know_request(prediction), KEYS[number // EACH % 3]
        assert known is not None
        record_feedback(settings.feedback, known, {"emotion": truth}, tenant="t", key_id=key, at=NOON)
    log.stop()
    assert (log.tally().written, log.tally().lost) == (SPEAKERS * EACH, {})
    return settings


def run(*tokens: object) -> int:
    return run_command([str(token) for token in tokens])


def test_answers_of_production_become_an_evaluation_set_and_then_training_data(
    produced: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    assert run("collect", "emotion", *DAYS, "--out", raw) == 0
    told = capsys.readouterr().out
    assert "left out: 1 answers without consent to keep the sound\n" in told
    assert f"emotion: 107 answers of 12 speakers in {raw}" in told
    assert run("ingest", "--corpus", "production", raw, "--out", data) == 0
    manifest = load_manifest(data)
    assert (manifest.utterances, manifest.speakers, manifest.quarantined) == (107, 12, {})
    assert run("evalset", "cut", "--from", data, "--domain", "production", "--date", "2026-11-29") == 0
    (cut,) = list_evaluation_sets(produced.evaluation_sets, "emotion")
    rows = read_manifest(data, ("speaker_id", "split", "recorded_at"))
    held_out = {row["speaker_id"] for row in rows.to_pylist() if row["split"] == "test"}
    frozen = read_manifest(cut.folder, ("speaker_id",))
    assert set(frozen["speaker_id"].to_pylist()) == held_out
    assert 0 < len(held_out) < 12
    assert min(rows["recorded_at"].to_pylist()) == NOON

    for name, overrides in (("whole", []), ("moved", ["split.salt=another"])):
        parts = json.dumps([{"corpus": "production", "path": str(raw), "overrides": overrides}])
        assert run("ingest", "--corpus", "several", "--out", tmp_path / name, "--set", f"parts={parts}") == 0
    capsys.readouterr()
    run("leakage", tmp_path / "whole", tmp_path / "apart")
    assert "\nleakage PASS" in capsys.readouterr().out
    run("leakage", tmp_path / "moved", tmp_path / "leaks")
    leaks = capsys.readouterr().out
    assert "\nleakage FAIL" in leaks
    in_training = {
        row["speaker_id"]
        for row in read_manifest(tmp_path / "moved", ("speaker_id", "split")).to_pylist()
        if row["split"] == "train"
    }
    assert held_out & in_training
    assert any(speaker in leaks for speaker in held_out & in_training)


def test_the_digest_of_several_corpora_is_of_every_byte_of_every_folder(settings: Settings, tmp_path: Path) -> None:
    nemo, new = write_tiny_nemo(tmp_path / "nemo"), write_tiny_production(tmp_path / "new")
    parts = json.dumps([{"corpus": "nemo", "path": str(nemo)}, {"corpus": "production", "path": str(new)}])
    arguments = {"corpus": "several", "corpus_path": "", "corpus_overrides": [f"parts={parts}"]}
    first = digest_data(arguments)
    assert first is not None
    for file, old, changed in ((nemo / "data.tsv", b"anger", b"angry"), (new / "utterances.csv", b"anger", b"angry")):
        content = file.read_bytes()
        file.write_bytes(content.replace(old, changed, 1))
        assert digest_data(arguments) != first
        file.write_bytes(content)
    assert digest_data(arguments) == first
    assert digest_data(arguments | {"corpus_overrides": []}) is None, "ingest says why"
    new.rename(tmp_path / "away")
    assert digest_data(arguments) is None, "on a disk that this machine does not see"


def test_what_is_worth_a_label_is_listed_filled_in_read_back_and_collected(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [make_answer(number, "anger", number % 20, confidence=0.9 - number / 1_000) for number in range(100)]
    write_log(settings.predictions, rows)
    place = tmp_path / "list"
    assert run("worth-labelling", "emotion", *DAYS, "--out", place, "--most", 4) == 0
    told = capsys.readouterr().out
    assert "cannot tell what is novel: " in told
    assert "emotion: 4 answers of 4 speakers" in told
    text = (place / "worth_labelling.csv").read_text(encoding="utf-8")
    requests = [row["request_id"] for row in csv.DictReader(text.splitlines())]
    lines = text.splitlines()
    lines[1:] = [line + label for line, label in zip(lines[1:], ("fear", "anger", "angry", ""), strict=True)]
    (place / "worth_labelling.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for taken in ("2 labels taken, 0 known before", "0 labels taken, 2 known before"):
        assert run("read-labels", "emotion", place, "--by", "anna") == 2
        printed = capsys.readouterr()
        assert f"emotion: {taken}, 1 rows without one, 1 refused" in printed.out
        assert f"refused: {requests[2]}: emotion = 'angry'" in printed.out
        assert len(printed.err.splitlines()) == 1
    assert all(one is not None and is_person(one.key_id) for _, one in read_quarantine(settings.feedback, "emotion"))
    assert run("collect", "emotion", *DAYS, "--out", tmp_path / "raw") == 0
    assert "98 answers without a label\nemotion: 2 answers of 2 speakers" in capsys.readouterr().out
    table = (tmp_path / "raw" / "utterances.csv").read_text()
    assert table.count("person anna") == 2


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        (["collect", "emotions", *DAYS], "no task 'emotions'"),
        (["collect", "emotion", "--since", "2026-11-29", "--until", "2026-11-29"], "is not before"),
        (["collect", "emotion", "--since", "soon", "--until", "2026-11-29"], "--since 'soon' is no moment"),
        (["worth-labelling", "emotion", "--since", "2026-11-29", "--until", "9999-01-01"], "not over yet"),
        (["worth-labelling", "emotion", *DAYS, "--most", "0"], "most = 0"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_code_2(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], tokens: list[str], named: str
) -> None:
    assert run(*tokens, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert named in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_of_a_log_without_a_row_nothing_is_collected_or_listed(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("collect", "asr", *DAYS, "--out", tmp_path / "out") == 3
    assert "no row is in the prediction log" in capsys.readouterr().err
    assert run("worth-labelling", "asr", *DAYS, "--out", tmp_path / "out") == 3
    assert "no row is in the log" in capsys.readouterr().err
