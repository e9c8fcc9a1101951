from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.tiny_lhotse import CALL, ONE, supervision, write_lines, write_sounds
from tests.unit.data.corpora.reading import list_corpus, read_corpus, replace_once
from voxloop.data.corpora.clips import load_clip, refuse
from voxloop.data.corpora.reader import Candidate
from voxloop.data.recording_bound import digest_rows, part_at, read_bound
from voxloop.data.schema import Utterance
from voxloop.errors import InputError
from voxloop.store.digests import digest_json

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("2026-01-05T12:00:00Z", NOON),
        ("2026-01-05T12:00:00+00:00", NOON),
        ("2026-01-05T14:00:00+02:00", NOON),
    ],
)
def test_a_bound_is_a_moment_in_utc(text: str, moment: datetime | None) -> None:
    assert read_bound(text) == moment


@pytest.mark.parametrize("text", ["noon", "2026-01-05", "2026-01-05T12:00:00", "1767614400"])
def test_what_is_no_moment_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(
        InputError, match=r"recorded_before = .*; it is a time in ISO 8601 with a zone.*write it as 2026"
    ):
        read_bound(text)


def candidate(name: str, recorded_at: datetime | None) -> Candidate:
    return Candidate(name, "s", partial(refuse, name, "no reason", "by hand"), recorded_at)


minutes = st.none() | st.integers(-3, 3)


@given(st.lists(minutes))
def test_each_candidate_is_taken_in_its_order_or_later(offsets: list[int | None]) -> None:
    times = [None if offset is None else NOON + timedelta(minutes=offset) for offset in offsets]
    candidates = [candidate(str(place), time) for place, time in enumerate(times)]
    parted = part_at(candidates, NOON)
    assert list(parted.taken) == [one for one in candidates if one.recorded_at is None or one.recorded_at < NOON]
    assert len(parted.taken) + parted.later == len(candidates)
    assert parted.undated == offsets.count(None)
    assert part_at(candidates, None).taken == tuple(candidates)


@given(st.lists(minutes, min_size=1), st.data())
def test_what_comes_later_changes_no_digest_and_what_comes_earlier_does(
    offsets: list[int | None], data: st.DataObject
) -> None:
    before = [candidate(str(place), None) for place in range(len(offsets))]
    place = data.draw(st.integers(0, len(before)))
    digest = digest_rows(before, NOON)
    later, earlier = candidate("new", NOON), candidate("new", NOON - timedelta(microseconds=1))
    assert digest_rows([*before[:place], later, *before[place:]], NOON) == digest
    assert digest_rows([*before[:place], earlier, *before[place:]], NOON) != digest
    assert digest_rows([*before[:place], later, *before[place:]], None) != digest


def write_dated(folder: Path) -> Path:
    """Two recordings, one supervised before noon, one after; the call's own time counts where a supervision has none."""
    write_sounds(folder)
    write_lines(folder / "recordings.jsonl", ONE, CALL | {"custom": {"recorded_at": "2026-01-05T13:00:00Z"}})
    early = {"recorded_at": "2026-01-05T11:59:59Z", "emotion": "angry"}
    write_lines(
        folder / "supervisions.jsonl",
        supervision("early", "one", 0.0, 1.0, speaker="x", custom=early),
        supervision("late", "call", 0.0, 1.0, speaker="y"),
    )
    return folder


def test_lhotse_gives_times_in_a_custom_field(tmp_path: Path) -> None:
    folder = write_dated(tmp_path / "corpus")
    early, late = list_corpus("lhotse", folder)
    assert (early.recorded_at, late.recorded_at) == (NOON - timedelta(seconds=1), NOON + timedelta(hours=1))
    rows, refused = read_corpus("lhotse", folder)
    assert refused == {}
    assert [row.recorded_at for row in rows.values()] == [early.recorded_at, late.recorded_at]


def test_a_time_that_cannot_be_read_is_refused_and_never_taken_for_later(tmp_path: Path) -> None:
    folder = write_dated(tmp_path / "corpus")
    replace_once(folder / "supervisions.jsonl", "2026-01-05T11:59:59Z", "2026-01-05 11:59")
    _, refused = read_corpus("lhotse", folder)
    assert refused == {"supervisions.jsonl#early": "no time"}
    assert [one.path for one in part_at(list_corpus("lhotse", folder), NOON).taken] == ["supervisions.jsonl#early"]


def test_a_recording_nobody_described_has_its_time(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    write_lines(tmp_path / "recordings.jsonl", ONE, CALL | {"custom": {"recorded_at": "2026-01-05T13:00:00Z"}})
    write_lines(tmp_path / "supervisions.jsonl", supervision("early", "one", 0.0, 1.0, speaker="x"))
    taken = part_at(list_corpus("lhotse", tmp_path), NOON)
    assert ([one.path for one in taken.taken], taken.later) == (["supervisions.jsonl#early"], 1)
    assert str(taken) == "1 recorded at it or later are left out; 1 without a time of their own stay"


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("supervisions.jsonl", "angry", "happy", True),
        ("supervisions.jsonl", '"emotion": "angry"', '"emotion": "angry", "device": "phone"', True),
        ("supervisions.jsonl", '"emotion": "angry"', '"emotion": "angry", "device": null', False),
        ("supervisions.jsonl", '"x"', '"z"', True),
        ("supervisions.jsonl", "11:59:59", "11:59:58", True),
        ("supervisions.jsonl", '"y"', '"z"', False),
        ("recordings.jsonl", "13:00:00", "14:00:00", False),
        ("recordings.jsonl", "13:00:00", "11:00:00", True),
    ],
)
def test_a_digest_covers_what_is_said_of_the_rows_before(
    tmp_path: Path, file: str, old: str, new: str, changes: bool
) -> None:
    folder = write_dated(tmp_path / "corpus")
    before = digest_rows(list_corpus("lhotse", folder), NOON)
    replace_once(folder / file, old, new)
    assert (digest_rows(list_corpus("lhotse", folder), NOON) != before) == changes


@pytest.mark.parametrize(("file", "changes"), [("one.wav", True), ("call.flac", False)])
def test_a_digest_covers_every_byte_of_their_sound(tmp_path: Path, file: str, changes: bool) -> None:
    folder = write_dated(tmp_path / "corpus")
    before = digest_rows(list_corpus("lhotse", folder), NOON)
    sound = folder / "audio" / file
    content = bytearray(sound.read_bytes())
    content[-1] ^= 1
    sound.write_bytes(content)
    assert (digest_rows(list_corpus("lhotse", folder), NOON) != before) == changes
    sound.unlink()
    assert (digest_rows(list_corpus("lhotse", folder), NOON) != before) == changes


def test_a_row_without_a_device_has_the_digest_it_had_before_there_were_any() -> None:
    utterance = Utterance("u", "s", None, NOON, "by hand", "CC0-1.0", text="words")
    before = {name: value for name, value in vars(utterance).items() if name != "device"}
    made_of = [before | {"recorded_at": NOON.isoformat()}, None]
    candidate = Candidate("a", "s", partial(load_clip, utterance, None))
    assert digest_rows([candidate], None) == digest_json([["a", "s", None, made_of]])


def test_a_digest_does_not_hang_on_where_the_corpus_lies_or_how_its_times_are_written(tmp_path: Path) -> None:
    one, other = write_dated(tmp_path / "one"), write_dated(tmp_path / "other")
    replace_once(other / "supervisions.jsonl", "2026-01-05T11:59:59Z", "2026-01-05T12:59:59+01:00")
    assert digest_rows(list_corpus("lhotse", one), NOON) == digest_rows(list_corpus("lhotse", other), NOON)
    assert read_bound("2026-01-05T13:00:00+01:00") == NOON.astimezone(timezone(timedelta(hours=1)))
