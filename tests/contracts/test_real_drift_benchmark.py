"""The benchmark of real drift: rows as the log would have them, splits that share no speaker, and honest intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.real_drift.log_rows import CLEAN, CONDITIONS, Corpus, read_corpus
from benchmarks.real_drift.windows import (
    SITTING,
    UNCHANGED,
    interval,
    list_splits,
    list_windows,
    name_sittings,
    take_speakers,
)
from tests.unit.monitoring.drift.worlds import make_predictions
from voxloop.monitoring.drift.columns import NUMERIC
from voxloop.speech.golden import golden_waveform
from voxloop.speech.waveform import encode_flac

NAMES = [f"speaker {number}" for number in range(6)]


def make_corpus(name: str) -> Corpus:
    rows = make_predictions(np.random.default_rng(1), np.full(6, 12), correlation=0.3)
    return Corpus(name, dict.fromkeys(CONDITIONS, rows))


@pytest.mark.parametrize(("most", "expected"), [(100, 15), (7, 7)])
def test_splits_are_different_and_nobody_is_on_both_sides(most: int, expected: int) -> None:
    splits = list_splits(NAMES, most, np.random.default_rng(1))
    assert len({split.window for split in splits}) == expected
    for split in splits:
        assert sorted([*split.reference, *split.window]) == NAMES
        assert len(split.window) == 2


def test_windows_are_of_the_speakers_that_are_not_in_the_reference_and_of_another_corpus() -> None:
    corpus, other = make_corpus("one"), make_corpus("other")
    (split, *_) = list_splits(corpus.speakers, 100, np.random.default_rng(1))
    windows = dict(list_windows(corpus, [other], split, np.random.default_rng(1)))
    assert [*windows] == [UNCHANGED, "noise at 10 dB", "telephone band", "speakers of other"]
    for window in windows.values():
        assert window.row_count == 24
    for kind in (UNCHANGED, "noise at 10 dB", "telephone band"):
        assert {*windows[kind].speakers.sort().names.tolist()} == {*split.window}


def test_a_sitting_is_a_few_rows_of_one_speaker() -> None:
    rows = make_corpus("one").sounds[CLEAN]
    sittings = name_sittings(rows).speakers
    sizes = np.bincount(sittings.codes)
    assert sizes.max() == SITTING
    assert len(sizes) == 6 * 3
    whose = {str(name).rpartition(" ")[0] for name in sittings.names}
    assert whose == {*NAMES}
    assert take_speakers(rows, NAMES[:2]).row_count == 24


def test_intervals_are_wilsons() -> None:
    """Figures of Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 and 0 of 20."""
    assert interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


@pytest.mark.slow
def test_rows_are_those_of_a_log_and_are_measured_once(tmp_path: Path) -> None:
    recordings = tmp_path / "fsdd" / "recordings"
    recordings.mkdir(parents=True)
    for number, speaker in enumerate(("ann", "ann", "ann", "bob")):
        (recordings / f"3_{speaker}_{number}.flac").write_bytes(encode_flac(golden_waveform(1.0, number)))
    (recordings / "4_bob_7.flac").write_bytes(encode_flac(golden_waveform(0.1, 0)))
    corpus = read_corpus("fsdd", tmp_path / "fsdd", tmp_path / "out", rows=4)
    assert corpus.speakers == ("fsdd ann", "fsdd bob")
    clean, noisy = corpus.sounds[CLEAN], corpus.sounds["noise at 10 dB"]
    assert clean.row_count == 3, "of three clips two are taken, and a gateway refuses a tenth of a second"
    assert {*NUMERIC} <= {*clean.values}
    assert np.isnan(clean.values["confidence"]).all()  # type: ignore[arg-type]
    assert (noisy.values["snr_db"] < clean.values["snr_db"]).all()  # type: ignore[operator]
    tables = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert len(tables) == len(CONDITIONS)
    read_corpus("fsdd", tmp_path / "fsdd", tmp_path / "out", rows=4)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == tables
