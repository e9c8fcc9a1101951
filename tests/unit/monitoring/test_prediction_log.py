from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.monitoring.predictions import START, make_prediction
from voxloop.data.prosody_tables import MEASURES
from voxloop.errors import InputError
from voxloop.monitoring.prediction import PREDICTIONS, Prediction, describe_measures, make_row, make_table, split_fit
from voxloop.monitoring.prediction_files import Loss, hour_folder, write_batch, write_loss
from voxloop.monitoring.prediction_log import read_window
from voxloop.speech.sound_embedding import EMBEDDED

WRITER = "20261129T095930-0123abcd"
NAN = float("nan")
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
answers = st.one_of(
    st.none(),
    st.fixed_dictionaries({"text": text, "confidence": finite}),
    st.dictionaries(text.filter(bool), finite, min_size=1, max_size=4).map(
        lambda all_of: {"emotion": max(all_of, key=lambda name: all_of[name]), "probabilities": all_of}
    ),
    st.fixed_dictionaries({"traits": st.dictionaries(text, finite, max_size=3)}),
)
predictions = st.builds(
    make_prediction,
    st.integers(0, 7_200),
    answer=answers,
    status=st.sampled_from([200, 422, 503]),
    is_shadow=st.booleans(),
    problem=st.none() | text,
    latency_ms=st.none() | finite,
    consent=st.booleans(),
    duration_s=st.none() | finite,
)
measures = st.fixed_dictionaries(
    {},
    optional={
        "audio": st.binary(max_size=50),
        "measures": st.fixed_dictionaries(
            {"snr_db": st.none() | finite, **{name: finite | st.just(NAN) for name in MEASURES}}
        ),
        "embedding": st.none() | st.integers(0, 9).map(lambda seed: np.arange(EMBEDDED, dtype=np.float32) / (seed + 1)),
    },
)


def write(place: Path, rows: list[dict[str, Any]], number: int = 1) -> Path:
    folder = hour_folder(place, "emotion", rows[0]["at"])
    return write_batch(folder, place, WRITER, number, make_table(rows))


def row(number: int, **changes: Any) -> dict[str, Any]:
    return make_row(make_prediction(number, **changes), None)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(predictions, measures, st.none() | st.tuples(text, text)), min_size=1, max_size=6))
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, given_rows: list[tuple[Prediction, dict[str, Any], Any]]
) -> None:
    place = tmp_path_factory.mktemp("log")
    rows = []
    for number, (prediction, measured, pseudonym) in enumerate(given_rows, start=1):
        one = make_row(prediction, pseudonym)
        one.update({name: value for name, value in measured.items() if name == "audio"})
        if "measures" in measured:
            one.update(describe_measures(measured["measures"], measured.get("embedding")))
        rows.append(one)
        write(place, [one], number)
    window = read_window(place, "emotion", START, START + timedelta(hours=3), columns=PREDICTIONS.names)
    assert window.is_whole
    read = window.table.to_pylist()
    assert sorted(read, key=as_text) == sorted(rows, key=as_text)
    order = [(one["at"], one["request_id"], one["is_shadow"]) for one in read]
    assert order == sorted(order)
    said = [json.loads(one["answer"]) if one["answer"] else None for one in read]
    assert sorted(said, key=as_text) == sorted((prediction.answer for prediction, _, _ in given_rows), key=as_text)


def as_text(value: object) -> str:
    return json.dumps(value, default=str, sort_keys=True)


def test_a_window_takes_its_rows_alone_and_no_sound_unless_it_is_asked_for(tmp_path: Path) -> None:
    early, late = [row(n) for n in range(20)], [row(n) for n in range(30, 90)]  # 9 h 59 m 30 s and on
    write(tmp_path, early)
    write(tmp_path, late, 2)
    window = read_window(tmp_path, "emotion", START + timedelta(seconds=10), START + timedelta(seconds=40))
    assert [one["request_id"] for one in window.table.to_pylist()] == [
        f"{n:032x}" for n in [*range(10, 20), *range(30, 40)]
    ]
    assert "audio" not in window.table.column_names
    assert window.table["label"].to_pylist() == ["anger"] * 20
    assert window.table["confidence"].to_pylist() == [0.75] * 20
    nothing = read_window(tmp_path, "asr", START, START + timedelta(hours=1))
    assert (nothing.table.num_rows, nothing.files, nothing.is_whole) == (0, 0, True)
    assert read_window(tmp_path / "none", "asr", START, START + timedelta(hours=1)).table.num_rows == 0


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    good = write(tmp_path, [row(1)])
    (good.parent / "cut.parquet").write_bytes(good.read_bytes()[:-20])
    (good.parent / "empty.parquet").write_bytes(b"")
    (good.parent / f".{good.name}.half").write_bytes(b"PAR1")
    wrong = make_table([row(2)])
    wrong = wrong.set_column(wrong.schema.get_field_index("status"), "status", pa.array(["no number"]))
    pq.write_table(wrong, good.parent / "wrong.parquet")
    window = read_window(tmp_path, "emotion", START, START + timedelta(hours=1))
    assert window.table["request_id"].to_pylist() == [f"{1:032x}"]
    assert window.unreadable.keys() == {"cut.parquet", "empty.parquet", "wrong.parquet"}
    assert not window.is_whole


def test_columns_of_another_version_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [row(1)])
    table = make_table([row(2)])
    newer = table.append_column("mood", pa.array(["good"])).drop_columns(["snr_db"])
    pq.write_table(newer.replace_schema_metadata({b"voxloop.prediction_schema": b"9"}), path.parent / "newer.parquet")
    window = read_window(tmp_path, "emotion", START, START + timedelta(hours=1))
    assert window.table.num_rows == 2
    assert (window.unknown_columns, window.missing_columns) == ({"mood": 1}, {"snr_db": 1})
    assert window.other_schemas == {"9": 1}
    assert not window.is_whole


def test_losses_are_told_to_the_windows_they_concern(tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    write_loss(tmp_path, Loss(WRITER, START, START + minute, 5, {"queue full": 5}), 1)
    write_loss(tmp_path, Loss(WRITER, START, START + 60 * 24 * minute, None, {}), 2)
    (tmp_path / "losses" / "2026-11-29" / "broken.json").write_text("{")
    inside = read_window(tmp_path, "emotion", START, START + minute)
    assert (inside.lost, inside.lost_unknown, inside.is_whole) == (5, 2, False)
    after = read_window(tmp_path, "emotion", START + 2 * minute, START + 3 * minute)
    assert (after.lost, after.lost_unknown) == (0, 2)
    later = read_window(tmp_path, "emotion", START + timedelta(days=3), START + timedelta(days=4))
    assert later.is_whole


def test_a_window_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="time zone"):
        read_window(tmp_path, "emotion", START.replace(tzinfo=None), START)
    with pytest.raises(InputError, match="later last"):
        read_window(tmp_path, "emotion", START, START)
    with pytest.raises(InputError, match="'mood'.*there are at, request_id"):
        read_window(tmp_path, "emotion", START, START + timedelta(hours=1), columns=["mood"])


def test_a_row_that_fits_no_column_is_told_apart() -> None:
    good, bad = row(1), row(2, answer={"emotion": 5})
    assert split_fit([good]) == ([good], [])
    assert split_fit([good, bad, good]) == ([good, good], [bad])
    with pytest.raises(ValueError, match="JSON"):
        row(1, answer={"text": "", "confidence": NAN})
