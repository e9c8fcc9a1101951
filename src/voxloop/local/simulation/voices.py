"""What is said in a window, and how it sounds: the speaker world with the knobs that the scenario turns."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxloop.config import build_config, find_config, read_mapping
from voxloop.data.corpora.world import WorldCorpusConfig
from voxloop.local.simulation.config import MOST_BATCHES, Labelled, SimulationConfig
from voxloop.local.simulation.scenario import FEW_SHARE, NOISY_SHARE, DecoyKind, Drift, Window
from voxloop.speech.speaker_world import Speaker, make_speaker, plan_utterance, speak_utterance
from voxloop.speech.waveform import encode_flac
from voxloop.speech.world_config import EMOTIONS, WorldConfig
from voxloop.store.digests import canonical_json, digest_bytes

FIRST_HEARD = 10_000
"""Number of the first caller: nobody is heard and labelled."""
COHORTS = ("home", "newcomer")
"""Names that the world has sentences for; who has which name says nothing."""
BATCHES_A_COHORT = (MOST_BATCHES + 1) // len(COHORTS)
LOUD_SNR = 3.0
"""dB of speech over noise in a loud hour."""


@dataclass(frozen=True)
class Utterance:
    """One utterance that is to be made.

    Args:
        world: In which it is said; the knobs of `home` are those of the moment.
        speaker_id: Who says it, by a name that tells nothing.
        index: Which of theirs.
    """

    world: WorldConfig
    speaker_id: str
    index: int

    @property
    def utterance_id(self) -> str:
        """Its name."""
        return f"{self.speaker_id}-{self.index:04d}"

    @property
    def speaker(self) -> Speaker:
        """Who says it."""
        return make_speaker(self.world, self.world.home, self.speaker_id)

    def plan(self) -> tuple[str, str]:
        """Return what is said, and which emotion is played."""
        plan = plan_utterance(self.world, self.speaker, self.index)
        return plan.text, plan.emotion

    def make_sound(self, cache: Path) -> Path:
        """Return the file of its sound, FLAC at 16 kHz; made once for all simulations that hear the same.

        It is renamed but not synced, for it can be made again: on a busy disk syncing took ten times
        as long as speaking.
        """
        said = f"{canonical_json(self.world.model_dump(mode='json'))}/{self.utterance_id}"
        path = cache / f"{digest_bytes(said.encode())[:32]}.flac"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.{os.getpid()}")
            beside.write_bytes(encode_flac(speak_utterance(self.world, self.speaker, self.index).waveform))
            beside.rename(path)
        return path


class Voices:
    """The world of one simulation.

    Args:
        config: How it drifts.
        seed: Another world for each.
    """

    def __init__(self, config: SimulationConfig, seed: int) -> None:
        self._config = config
        self._values = read_mapping(find_config("corpora", config.corpus))
        self._seed = int.from_bytes(hashlib.sha256(f"voices/{seed}".encode()).digest()[:6])

    def world_of(self, drift: Drift | None, *more: str) -> WorldConfig:
        """Return the world while a drift is in force.

        Args:
            drift: None for none.
            more: Further knobs of the speakers.
        """
        knobs = (
            [] if drift is None else [one.format(strength=drift.strength) for one in self._config.drifts[drift.kind]]
        )
        changes = [f"world.seed={self._seed}", *(f"world.home.{one}" for one in (*knobs, *more))]
        return build_config(WorldCorpusConfig, self._values, changes, origin=f"{self._config.corpus}.yaml").world

    def list_heard(self, window: Window) -> Iterator[Utterance]:
        """Yield what callers say in a window, in its order."""
        talk, world, decoy = self._config.talk, self.world_of(window.drift), window.decoy
        count = talk.speakers
        if decoy is not None and decoy.kind is DecoyKind.FEW_CALLERS:
            count = max(1, round(count * FEW_SHARE))
        first, loud = FIRST_HEARD + window.number * talk.speakers, round(count * NOISY_SHARE)
        for place in range(count):
            one, begin = world, (first + place) * talk.utterances
            if decoy is not None and decoy.kind is DecoyKind.LOUD_HOUR and place < loud:
                one = self.world_of(window.drift, f"snr_db={LOUD_SNR}")
            if decoy is not None and decoy.kind is DecoyKind.ONE_STRANGER and place == 0:
                one = self.world_of(window.drift, "accents=[en-029]", "women=[linda]", "men=[m8]")
            for turn in range(talk.utterances):  # emotions take turns by number, so that windows have equally many
                yield Utterance(one, f"home-{first + place:05d}", (begin + turn) % len(EMOTIONS) + 24)

    def list_labelled(self, batch: int, drift: Drift | None) -> Iterator[Utterance]:
        """Yield what is recorded for a batch of labelled speech.

        Args:
            batch: Its number, 0 for the first.
            drift: Under which it is recorded.
        """
        wanted: Labelled = self._config.labelled
        # Nobody says what another has said: the same sentence in two like voices is a leak between training and test.
        world = self.world_of(drift).model_copy(update={"own_sentences": True})
        name = COHORTS[batch // BATCHES_A_COHORT]
        first = batch % BATCHES_A_COHORT * wanted.speakers
        for place in range(wanted.speakers):
            for index in range(wanted.utterances):
                yield Utterance(world, f"{name}-{first + place:05d}", index)
