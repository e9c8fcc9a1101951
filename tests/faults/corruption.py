"""Seeded corruptions of a dataset, written as a broken ingester would: the manifest agrees with what it wrote.

Each says which check must object, to which column, by which verdict, and which rows it must name. Nothing in src
imports this: the detectors do not know what is planted.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from voxloop.data.manifest import Manifest, ShardEntry, SplitCount, load_manifest, write_manifest
from voxloop.data.splits import SPLITS
from voxloop.speech.waveform import decode_flac, encode_flac, measure_loudness
from voxloop.store.digests import digest_bytes, digest_file

ROWS = 5
"""How many rows a corruption of single rows spoils."""
SHARD = "shards/part-00000.parquet"

Row = dict[str, Any]


@dataclass
class Planted:
    """A spoilt dataset on its way to the disk.

    Args:
        rows: The rows, audio and all.
        named: Names of the rows that were spoilt, as a report has to name them.
        types: Columns to be written with another type.
        without: Columns to be left out.
        manifest: Fields in which the manifest is to lie.
        after: What happens to the shard after its digest was taken.
    """

    rows: list[Row]
    named: set[str] = field(default_factory=set)
    types: dict[str, pa.DataType] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    promised_rows: int | None = None
    after: Callable[[Path], object] | None = None


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Args:
        name: What it does.
        plant: Does it: rows and a source of chance in, what to write out.
        check: Words of the check that must object.
        column: The column the check must name.
        verdict: What must follow.
        task: The suite it is held against.
        by_row: Whether the spoilt rows must be named.
        compared: Whether it takes the dataset accepted last to see it.
        variation: Whether it is much like another one, of which a test of a commit takes a few.
    """

    name: str
    plant: Callable[[list[Row], random.Random], Planted]
    check: str
    column: str | None
    verdict: str = "FAIL"
    task: str = "emotion"
    by_row: bool = True
    compared: bool = False
    variation: bool = False


def read_dataset(dataset: Path) -> list[Row]:
    """Return every row of a dataset, the audio included."""
    rows: list[Row] = []
    for entry in load_manifest(dataset).shards:
        rows += pq.read_table(dataset / entry.path).to_pylist()
    return rows


def write_corrupted(planted: Planted, source: Path, folder: Path) -> Path:
    """Write a spoilt dataset whose manifest counts what is in it, and has the digest of its shard.

    Args:
        planted: What to write.
        source: The sound dataset it was made from.
        folder: Where to; it must not be there.
    """
    (folder / "shards").mkdir(parents=True)
    table = _make_table(planted, pq.read_schema(source / SHARD))
    pq.write_table(table, folder / SHARD)
    rows = planted.promised_rows if planted.promised_rows is not None else len(planted.rows)
    entry = ShardEntry(path=SHARD, sha256=digest_file(folder / SHARD), rows=rows)
    write_manifest(_count(load_manifest(source), planted.rows, rows, entry), folder)
    if planted.after is not None:
        planted.after(folder / SHARD)
    return folder


def _make_table(planted: Planted, schema: pa.Schema) -> pa.Table:
    fields = [
        pa.field(one.name, planted.types.get(one.name, one.type)) for one in schema if one.name not in planted.without
    ]
    table = pa.Table.from_pylist(planted.rows, schema=pa.schema(fields))
    for name, value in planted.extra.items():
        table = table.append_column(name, pa.array([value] * table.num_rows))
    return table


def _count(manifest: Manifest, rows: Sequence[Row], promised: int, entry: ShardEntry) -> Manifest:
    seconds = [row["duration_s"] for row in rows if isinstance(row["duration_s"], float)]
    return manifest.model_copy(
        update={
            "utterances": promised,
            "hours": float(np.nansum(seconds) if seconds else 0.0) / 3600,
            "speakers": len({row["speaker_id"] for row in rows if row["speaker_id"] is not None}),
            "splits": {
                split: SplitCount(
                    utterances=sum(row["split"] == split for row in rows),
                    speakers=len({row["speaker_id"] for row in rows if row["split"] == split}),
                )
                for split in SPLITS
            },
            "shards": (entry,),
        }
    )


# --- Rows one by one ------------------------------------------------------------------------------------------------


def some(
    change: Callable[[Row, random.Random], Row], count: int = ROWS
) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption that changes a few rows drawn at random."""

    def plant(rows: list[Row], draw: random.Random) -> Planted:
        chosen = draw.sample(range(len(rows)), count)
        spoilt = {number: {**rows[number], **change(rows[number], draw)} for number in chosen}
        return Planted(
            rows=[spoilt.get(number, row) for number, row in enumerate(rows)],
            named={_name(row, number) for number, row in spoilt.items()},
        )

    return plant


def put(**values: Any) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption that puts the same values into a few rows."""
    return some(lambda _row, _draw: values)


def in_text(change: Callable[[str], str]) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption of the text of a few rows."""
    return some(lambda row, _draw: {"text": change(row["text"])})


def look_alike(letter: str, other: str) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption that takes one letter for another that looks the same."""
    return in_text(lambda text: text.replace(letter, other) if letter in text else text + other)


def _name(row: Row, number: int) -> str:
    return row["utterance_id"] if row["utterance_id"] is not None else f"row {number} of {SHARD}"


def copy_of_another(*names: str) -> Callable[[list[Row], random.Random], Planted]:
    def plant(rows: list[Row], draw: random.Random) -> Planted:
        spoilt, named = list(rows), set()
        chosen = draw.sample(range(len(rows)), 2 * ROWS)
        for target, source in zip(chosen[:ROWS], chosen[ROWS:], strict=True):
            spoilt[target] = {**rows[target], **{name: rows[source][name] for name in names}}
            named |= {_name(spoilt[target], target), _name(rows[source], source)}
        return Planted(spoilt, named)

    return plant


def flip_of_speaker(name: str, other: Callable[[Any], Any]) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption of one row each of a few speakers."""

    def plant(rows: list[Row], draw: random.Random) -> Planted:
        speakers = draw.sample(sorted({row["speaker_id"] for row in rows}), 3)
        spoilt, named = list(rows), set()
        for speaker in speakers:
            number = draw.choice([number for number, row in enumerate(rows) if row["speaker_id"] == speaker])
            spoilt[number] = {**rows[number], name: other(rows[number][name])}
            named.add(_name(rows[number], number))
        return Planted(spoilt, named)

    return plant


# --- Audio ----------------------------------------------------------------------------------------------------------


def _with_audio(audio: bytes | None, **values: Any) -> Row:
    return {"audio": audio, **({"sha256": digest_bytes(audio)} if audio is not None else {}), **values}


def at_half_the_rate(row: Row, _draw: random.Random) -> Row:
    stream = io.BytesIO()
    soundfile.write(stream, decode_flac(row["audio"]), 8_000, format="FLAC", subtype="PCM_16")
    return _with_audio(stream.getvalue())


def as_wav(row: Row, _draw: random.Random) -> Row:
    stream = io.BytesIO()
    soundfile.write(stream, decode_flac(row["audio"]), 16_000, format="WAV", subtype="PCM_16")
    return _with_audio(stream.getvalue())


def cut_off(row: Row, draw: random.Random) -> Row:
    return _with_audio(row["audio"][: round(len(row["audio"]) * draw.uniform(0.3, 0.98))])


def cut_off_and_coded(row: Row, draw: random.Random) -> Row:
    waveform = decode_flac(row["audio"])
    return _with_audio(encode_flac(waveform[: round(len(waveform) * draw.uniform(0.3, 0.9))]))


def change_a_byte(row: Row, draw: random.Random) -> Row:
    place = draw.randrange(60, len(row["audio"]))
    changed = row["audio"][place] ^ (1 << draw.randrange(8))
    return {"audio": row["audio"][:place] + bytes([changed]) + row["audio"][place + 1 :]}


def of_a_stranger(row: Row, draw: random.Random) -> Row:
    samples = np.random.default_rng(draw.randrange(2**32)).standard_normal(row["num_samples"], dtype=np.float32)
    return {"audio": encode_flac(np.multiply(samples, 0.05, dtype=np.float32))}


def mute_all(rows: list[Row], _draw: random.Random) -> Planted:
    """Every recording 30 dB softer, as by a wrong gain, with the levels measured before."""
    softer = [
        {**row, **_with_audio(encode_flac(np.multiply(decode_flac(row["audio"]), 0.03, dtype=np.float32)))}
        for row in rows
    ]
    return Planted(softer)


# --- Columns as a whole ---------------------------------------------------------------------------------------------


def every(change: Callable[[Row], Row]) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption of every row; which of them a report names first is its own business."""
    return lambda rows, _draw: Planted([{**row, **change(row)} for row in rows])


def shift(*names: str) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption that moves columns by one row beside the others."""

    def plant(rows: list[Row], _draw: random.Random) -> Planted:
        moved = [rows[number - 1] for number in range(len(rows))]
        spoilt = [{**row, **{name: other[name] for name in names}} for row, other in zip(rows, moved, strict=True)]
        return Planted(spoilt)

    return plant


def shuffle(name: str) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption that deals a column out anew."""

    def plant(rows: list[Row], draw: random.Random) -> Planted:
        values = [row[name] for row in rows]
        draw.shuffle(values)
        return Planted([{**row, name: value} for row, value in zip(rows, values, strict=True)])

    return plant


def swap(one: str, other: str) -> Callable[[list[Row], random.Random], Planted]:
    """Return a corruption that takes one column for another."""
    return every(lambda row: {one: row[other], other: row[one]})


def retype(name: str, kind: pa.DataType, change: Callable[[Any], Any] = lambda value: value) -> Callable[..., Planted]:
    """Return a corruption that writes a column as another Parquet type."""

    def plant(rows: list[Row], _draw: random.Random) -> Planted:
        return Planted([{**row, name: change(row[name])} for row in rows], types={name: kind})

    return plant


def louder(row: Row) -> Row:
    waveform = np.clip(decode_flac(row["audio"]) * 10.0, -1.0, 1.0).astype(np.float32)
    return _with_audio(encode_flac(waveform), loudness_dbfs=measure_loudness(waveform))


def drop_test(rows: list[Row], _draw: random.Random) -> Planted:
    return Planted([row for row in rows if row["split"] != "test"])


def thin_out(rows: list[Row], draw: random.Random) -> Planted:
    kept = set(draw.sample(range(len(rows)), round(0.45 * len(rows))))
    return Planted([row for number, row in enumerate(rows) if number in kept])


def lose_rows(rows: list[Row], draw: random.Random) -> Planted:
    gone = set(draw.sample(range(len(rows)), ROWS))
    return Planted([row for number, row in enumerate(rows) if number not in gone], promised_rows=len(rows))


def gain_rows(rows: list[Row], draw: random.Random) -> Planted:
    fresh = [{**row, "utterance_id": f"{row['utterance_id']}-again"} for row in draw.sample(rows, ROWS)]
    return Planted([*rows, *fresh], promised_rows=len(rows))


def rewrite_later(rows: list[Row], draw: random.Random) -> Planted:
    chosen = draw.randrange(len(rows))

    def rewrite(shard: Path) -> None:
        table = pq.read_table(shard)
        texts = table["text"].to_pylist()
        texts[chosen] = "something else"
        place = table.column_names.index("text")
        pq.write_table(table.set_column(place, table.schema.field("text"), pa.array(texts)), shard)

    return Planted(rows, after=rewrite)


def repeat_text(text: str) -> str:
    return " ".join([text] * 12)
