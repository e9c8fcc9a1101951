"""Strings of 2 to 6 digits, joined from the clips of one speaker with 25 to 150 ms of silence between them.

The test strings of each speaker stand in `configs/quality/fsdd_strings.json`, which
`python -m benchmarks.quality.digit_strings` wrote and a test holds against the rule here; they never change. Strings to
train on are drawn by seed from the clips of a fold's train.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from benchmarks.quality.spoken_digits import VoicesConfig, is_voice
from voxloop.config import StrictModel
from voxloop.data.schema import Utterance, make_row
from voxloop.errors import InputError
from voxloop.settings import get_settings
from voxloop.speech.waveform import SAMPLE_RATE

FROZEN_SEED = 2025
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
FROZEN_COUNTS = {"official": 60, "speaker-out": 100}
"""Test strings a speaker: about 240 and 400 words."""
FROZEN_TAKES = {"official": range(5), "speaker-out": range(50)}
FEWEST, MOST = 2, 6
SHORTEST_PAUSE, LONGEST_PAUSE = 25, 150
"""Milliseconds."""

Waveform = npt.NDArray[np.float32]
Clips = Mapping[str, tuple[Mapping[str, Any], Waveform]]


class StringsConfig(StrictModel):
    """How many strings a speaker."""

    train: int = Field(ge=1)
    dev: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    voices: VoicesConfig | None = None
    """Virtual speakers to train on beside the corpus' own; None takes none."""

    def voices_in(self, folds: str) -> VoicesConfig | None:
        """Return the virtual speakers to train on in these folds; None where there are none."""
        return self.voices if self.voices is not None and folds in self.voices.folds else None

    def count(self, split: str, speaker: str) -> int:
        """Return how many strings of a speaker there are in train or dev."""
        if self.voices is not None and is_voice(speaker):
            return self.voices.train
        return self.train if split == "train" else self.dev


def draw_string(clips: Sequence[str], draw: np.random.Generator) -> str:
    """Return a string as it is written: `3_12 87 0_4`, a clip (digit and take), milliseconds of pause, a clip."""
    count = int(draw.integers(FEWEST, MOST + 1))
    chosen = [clips[index] for index in draw.integers(len(clips), size=count)]
    pauses = draw.integers(SHORTEST_PAUSE, LONGEST_PAUSE + 1, size=count - 1).tolist()
    return " ".join([chosen[0], *(f"{pause} {clip}" for pause, clip in zip(pauses, chosen[1:], strict=True))])


def freeze_strings() -> dict[str, dict[str, list[str]]]:
    """Draw the test strings of every speaker, by name of the folds."""
    frozen: dict[str, dict[str, list[str]]] = {}
    for name, count in FROZEN_COUNTS.items():
        clips = [f"{digit}_{take}" for digit in range(10) for take in FROZEN_TAKES[name]]
        frozen[name] = {}
        for number, speaker in enumerate(SPEAKERS):
            draw = np.random.default_rng((FROZEN_SEED, count, number))
            frozen[name][speaker] = [draw_string(clips, draw) for _ in range(count)]
    return frozen


def read_frozen(folds: str) -> dict[str, list[str]]:
    """Return the frozen test strings of each speaker.

    Raises:
        InputError: There are none for such folds.
    """
    frozen: dict[str, dict[str, list[str]]] = json.loads(frozen_path().read_text(encoding="utf-8"))
    if folds not in frozen:
        raise InputError(f"no frozen strings for {folds!r}", rule=f"there are {', '.join(frozen)}", remedy="name one")
    return frozen[folds]


def frozen_path() -> Path:
    """Return where the frozen list stands."""
    return get_settings().project_root / "configs" / "quality" / "fsdd_strings.json"


def make_strings(clips: Clips, folds: str, config: StringsConfig) -> Iterator[dict[str, Any]]:
    """Give the rows of a fold's strings.

    Args:
        clips: Row, with the fold's split in it, and waveform of each single digit, by utterance id.
        folds: Name of the folds, whose test strings are taken.
        config: How many to train on.

    Raises:
        InputError: A test string needs a clip that is missing or not of the test.
    """
    frozen = read_frozen(folds)
    of_split: dict[str, dict[str, list[str]]] = {}
    for row, _ in clips.values():
        _, _, rest = row["utterance_id"].partition("-")
        digit, speaker, take = rest.split("_")
        of_split.setdefault(row["split"], {}).setdefault(speaker, []).append(f"{digit}_{take}")
    for split, speakers in sorted(of_split.items()):
        for speaker, names in sorted(speakers.items()):
            if split == "test":
                strings = frozen.get(speaker, [])
            else:
                draw = np.random.default_rng((config.seed, len(split), *speaker.encode()))
                strings = [draw_string(sorted(names), draw) for _ in range(config.count(split, speaker))]
            for number, string in enumerate(strings):
                yield _join(string, speaker, split, f"{folds}-{split}-{speaker}-{number:04d}", clips)


def _join(string: str, speaker: str, split: str, name: str, clips: Clips) -> dict[str, Any]:
    parts = string.split()
    found = [_find(clip, speaker, split, clips) for clip in parts[::2]]
    sound = [found[0][1]]
    for pause, (_, waveform) in zip(parts[1::2], found[1:], strict=True):
        sound += [np.zeros(int(pause) * SAMPLE_RATE // 1000, dtype=np.float32), waveform]
    first = found[0][0]
    known = {key: first[key] for key in ("speaker_id", "recorded_at", "source", "licence", "language", "gender")}
    words = " ".join(str(row["text"]) for row, _ in found)
    return make_row(Utterance(utterance_id=f"fsdd-{name}", waveform=np.concatenate(sound), text=words, **known), split)


def _find(clip: str, speaker: str, split: str, clips: Clips) -> tuple[Mapping[str, Any], Waveform]:
    digit, take = clip.split("_")
    for name in (f"fsdd-{digit}_{speaker}_{int(take)}", f"fsdd-{digit}_{speaker}_{int(take):02d}"):
        if name in clips and clips[name][0]["split"] == split:
            return clips[name]
    raise InputError(
        f"take {take} of {speaker}'s digit {digit} is not in {split}",
        rule="strings are joined from the clips of their own split",
        remedy="give all of the corpus' clips",
    )


def main() -> None:
    """Write the frozen list."""
    frozen_path().write_text(json.dumps(freeze_strings(), indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
