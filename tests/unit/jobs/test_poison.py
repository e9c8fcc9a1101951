"""The poison job: what it writes, prints, keeps and refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.unit.jobs.datasets import LABELS, make_rows, write_dataset
from voxloop.data.poison_report import REPORT_NAME, TEXT_NAME, read_report
from voxloop.data.schema import Utterance, make_row
from voxloop.errors import ConfigError, InputError
from voxloop.jobs.poison import poison
from voxloop.speech.waveform import Waveform
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

pytestmark = pytest.mark.usefixtures("home")


def sing(label: str, draw: np.random.Generator) -> Waveform:
    """Return a hum whose pitch tells the label."""
    time = np.arange(9_600) / 16_000
    pitch = 100.0 * 1.3 ** LABELS.index(label) * draw.normal(1.0, 0.02)
    tones = [np.sin(2 * np.pi * order * pitch * time) / order for order in (1, 2, 3, 4)]
    return np.asarray(0.1 * np.sum(tones, axis=0) + 0.003 * draw.standard_normal(len(time)), dtype=np.float32)


def write_songs(folder: Path, *, singers: int = 10, repeats: int = 3, liar: str = "", lies: int = 1) -> Path:
    """Write a dataset of singers; every `lies`-th label of `liar` is turned one further."""
    rows = []
    for speaker in [f"s{number}" for number in range(singers)]:
        for index, label in enumerate([*LABELS] * repeats):
            lie = speaker == liar and index % lies == 0
            given = LABELS[(LABELS.index(label) + 1) % len(LABELS)] if lie else label
            utterance = Utterance(
                utterance_id=f"{speaker}-{index}",
                speaker_id=speaker,
                waveform=sing(label, np.random.default_rng([index, *speaker.encode()])),
                recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
                source="songs",
                licence="CC0-1.0",
                text="la",
                emotion=given,
            )
            rows.append(make_row(utterance, "train"))
    return write_dataset(folder, rows)


def test_clean_data_pass_and_are_not_audited_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_songs(tmp_path / "dataset")
    assert poison(dataset, tmp_path / "one") == "PASS"
    assert "poison PASS under policy emotion: " in capsys.readouterr().out
    assert poison(dataset, tmp_path / "two") == "PASS"
    assert "reused" in capsys.readouterr().out
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")


def test_a_liar_is_named_in_both_reports_and_on_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert poison(write_songs(tmp_path / "dataset", liar="s4"), tmp_path / "out") == "FAIL"
    assert "speaker s4 has" in capsys.readouterr().out
    report = read_report(tmp_path / "out")
    assert {finding.name for finding in report.findings if finding.alarm} == {"s4"}
    assert {one.speaker_id for one in report.suspicious if one.kind == "label"} == {"s4"}
    assert report.thresholds["alpha"] == 0.01
    assert "ALARM speaker s4" in (tmp_path / "out" / TEXT_NAME).read_text(encoding="utf-8")
    assert (tmp_path / "out" / REPORT_NAME).is_file()


def test_too_little_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_dataset(tmp_path / "dataset", make_rows({"train": ["a", "b"], "test": ["c"]}))
    assert poison(dataset, tmp_path / "out") == "CANNOT_TELL"
    assert "2 training speakers" in capsys.readouterr().out


def test_a_crash_cannot_tell_and_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("no neighbours")

    monkeypatch.setattr("voxloop.adapters.cleanlab.score_outliers", stumble)
    assert poison(write_songs(tmp_path / "dataset"), tmp_path / "out") == "CANNOT_TELL"
    report = read_report(tmp_path / "out")
    assert report.verdict is Verdict.CANNOT_TELL
    assert "ZeroDivisionError: no neighbours" in report.reasons[0]
    assert not list((tmp_path / "home" / "store").rglob(REPORT_NAME))


OWN = {"policy": "emotion-nemo", "overrides": ("minimum_speaker_rows=60",)}


def test_one_singer_is_held_against_the_own_other_songs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_songs(tmp_path / "dataset", singers=1, repeats=12)
    assert poison(dataset, tmp_path / "others") == "CANNOT_TELL"
    assert poison(dataset, tmp_path / "own", **OWN) == "PASS"  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert "PASS under policy emotion-nemo --set minimum_speaker_rows=60: " in printed
    assert "labels turned as one" in printed
    assert "labels turned as one" in (tmp_path / "own" / TEXT_NAME).read_text(encoding="utf-8")
    report = read_report(tmp_path / "own")
    assert (report.compared_with, report.reasons) == ("own", ())


def test_a_singer_who_lies_now_and_then_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_songs(tmp_path / "dataset", singers=2, repeats=14, liar="s1", lies=7)
    assert poison(dataset, tmp_path / "own", **OWN) == "FAIL"  # type: ignore[arg-type]
    assert "label: speaker s1 has" in capsys.readouterr().out
    report = read_report(tmp_path / "own")
    assert {finding.name for finding in report.findings if finding.alarm} == {"s1"}
    lies = {f"s1-{index}" for index in range(0, 84, 7)}
    assert {one.utterance_id for one in report.suspicious if one.kind == "label"} <= lies


def test_an_override_does_not_change_what_a_speaker_is_held_against(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", make_rows({"train": ["a"]}))
    with pytest.raises(ConfigError, match="compare_with"):
        poison(dataset, tmp_path / "out", overrides=("compare_with=own",))


def write_essays(folder: Path, *, slips: bool = False) -> Path:
    """Write a dataset of words alone by 70 people; with `slips`, one trait lost its decimal point."""
    traits = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    rows = []
    for number in range(70):
        draw = np.random.default_rng(number)
        values = {trait: float(draw.normal(4.0, 0.8)) for trait in traits}
        if slips and number == 9:
            values["openness"] *= 10.0
        utterance = Utterance(
            utterance_id=f"essay-{number}",
            speaker_id=f"p{number}",
            waveform=None,
            recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
            source="essays",
            licence="CC0-1.0",
            text="I think of this and that.",
            traits=values,
        )
        rows.append(make_row(utterance, "train") | {"duration_s": 0.0})  # `write_dataset` adds durations up
    return write_dataset(folder, rows)


def test_words_alone_are_audited_by_their_numbers(tmp_path: Path) -> None:
    assert poison(write_essays(tmp_path / "clean"), tmp_path / "one", task="personality") == "PASS"
    assert poison(write_essays(tmp_path / "slip", slips=True), tmp_path / "two", task="personality") == "FAIL"
    report = read_report(tmp_path / "two")
    assert (report.rows, report.speakers) == (70, 70)
    assert [finding.name for finding in report.findings if finding.alarm] == ["p9"]


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a dataset"):
        poison(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_task_names_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="asr, emotion, emotion-nemo, personality"):
        poison(tmp_path, tmp_path / "out", task="emotions")
