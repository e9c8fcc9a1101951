"""Look for recordings in every file below some folders. It shares no code with what it checks.

    python sample_grep.py NEEDLES FOLDER...

NEEDLES holds recordings, `*.pcm` (16-bit little-endian samples) and `*.flac`. A file holds a recording when a stretch of
its samples stands in it: as it is, as 32-bit floats, or after decoding it, or a column of it, as sound. One line of JSON
a hit; the exit code is 0 when something was found and 1 when nothing was, as grep's is.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

STRETCH = 256
"""Samples that make a match: 16 ms, by chance alike in noise with a probability nobody will see."""
COMPRESSED = 64
"""Bytes of FLAC that make one."""


def read_needles(folder: Path) -> dict[str, list[bytes]]:
    """Return the stretches to look for by recording: samples as integers and floats, and bytes of FLAC."""
    needles: dict[str, list[bytes]] = {}
    for path in sorted(folder.glob("*.pcm")):
        samples = np.frombuffer(path.read_bytes(), "<i2")
        cuts = [
            samples[start:][:STRETCH] for start in range(len(samples) // 5, len(samples) - STRETCH, len(samples) // 5)
        ]
        loud = [cut for cut in cuts if len(set(cut.tolist())) > 16]  # silence is in every file
        assert loud, f"{path} is too short or too silent to look for"
        floats = [(cut / 32768).astype("<f4").tobytes() for cut in loud]
        needles[path.stem] = [cut.tobytes() for cut in loud] + floats
    for path in sorted(folder.glob("*.flac")):
        content = path.read_bytes()
        middle = len(content) // 2
        needles.setdefault(path.stem, []).extend([content[middle:][:COMPRESSED], content[-COMPRESSED:]])
    return needles


def read_haystacks(path: Path) -> Iterator[bytes]:
    """Yield everything a file can be read as."""
    content = path.read_bytes()
    yield content
    yield from decode(content)
    if content[:4] == b"PAR1":
        yield from read_columns(path)


def read_columns(path: Path) -> Iterator[bytes]:
    """Yield the values of every column of bytes, and what each sounds like."""
    table = pq.read_table(path)
    for name in table.schema.names:
        if pa.types.is_binary(table.schema.field(name).type) or pa.types.is_large_binary(table.schema.field(name).type):
            for value in filter(None, table[name].to_pylist()):
                yield value
                yield from decode(value)


def decode(content: bytes) -> Iterator[bytes]:
    """Yield the samples of a sound file as integers; nothing for what is none."""
    try:
        samples, _ = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        return
    for channel in samples.T:
        yield np.ascontiguousarray(channel).astype("<i2").tobytes()


def main(arguments: list[str]) -> int:
    """Print a line a hit; return 0 when there is one."""
    needles = read_needles(Path(arguments[0]))
    assert needles, "nothing to look for"
    hits = files = 0
    for root in map(Path, arguments[1:]):
        for path in sorted(one for one in root.rglob("*") if one.is_file()):
            files += 1
            found = {
                name
                for haystack in read_haystacks(path)
                for name, stretches in needles.items()
                if any(stretch in haystack for stretch in stretches)
            }
            hits += bool(found)
            if found:
                print(json.dumps({"file": str(path), "recordings": sorted(found)}), flush=True)
    print(json.dumps({"files": files, "hits": hits}), flush=True)
    return 0 if hits else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
