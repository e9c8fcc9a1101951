"""Poison planted in fresh speaker worlds: how often it is found, and how often a clean world is accused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from scipy.stats import binom

from tests.faults import poison as faults
from tests.faults.poison import Planted
from voxloop.adapters import cleanlab
from voxloop.config import load_config
from voxloop.data.audit_rows import AuditRows
from voxloop.data.corpora.world import WorldCorpusConfig
from voxloop.data.own_audit import audit_own
from voxloop.data.poison_audit import audit_rows
from voxloop.data.poison_config import OwnConfig, PoisonConfig
from voxloop.data.poison_report import PoisonReport
from voxloop.settings import Settings
from voxloop.speech.speaker_world import list_speakers, speak_utterance
from voxloop.speech.summary import summarise_sound
from voxloop.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
CONFIG = load_config(PoisonConfig, ROOT / "configs" / "poison" / "emotion.yaml")
WORLDS = 200
SPEAKERS, UTTERANCES, SOURCES = 30, 24, 3
OWN = load_config(OwnConfig, ROOT / "configs" / "poison" / "emotion-nemo.yaml")
FEW_SPEAKERS, MANY_UTTERANCES = 2, 300
WORLDS_OF_FEW = 40

Plant = Callable[[AuditRows, Generator], Planted]
ATTACKS: dict[str, tuple[Plant, float]] = {
    "one speaker permuted": (partial(faults.permute_speakers, count=1), 0.95),
    "three speakers permuted": (partial(faults.permute_speakers, count=3), 0.95),
    "one label turned for three speakers": (partial(faults.turn_label, count=3), 0.6),
    "30 % of a source flipped": (partial(faults.flip_source, share=0.3), 0.95),
    "noise in a speaker": (partial(faults.inject_into_speaker, make=faults.white_noise), 0.95),
    "noise in a source": (partial(faults.inject_into_source, make=faults.white_noise), 0.95),
    "hum in a source": (partial(faults.inject_into_source, make=faults.mains_hum), 0.95),
    "music in a source": (partial(faults.inject_into_source, make=faults.music), 0.95),
    "tones in a source": (partial(faults.inject_into_source, make=faults.pure_tone), 0.95),
}
"""What is planted, and the least share of worlds in which an alarm names a culprit."""


OWN_ATTACKS: dict[str, Plant] = {
    "a tenth of a speaker's labels flipped": partial(faults.flip_speaker, share=0.1),
    "a fifth of a speaker's labels flipped": partial(faults.flip_speaker, share=0.2),
    "3 % of a speaker noise": partial(faults.inject_into_speaker, make=faults.white_noise, share=0.03),
    "a fifth of a speaker music": partial(faults.inject_into_speaker, make=faults.music, share=0.2),
}


def speak_world(seed: int, people: int = SPEAKERS, utterances: int = UTTERANCES) -> AuditRows:
    """Speak a world of its own, its speakers dealt out to three sources."""
    world = load_config(WorldCorpusConfig, ROOT / "configs" / "corpora" / "world.yaml").world
    world = world.model_copy(update={"seed": seed, "home": world.home.model_copy(update={"speakers": people})})
    spoken = [
        (speaker.speaker_id, speak_utterance(world, speaker, index))
        for speaker in list_speakers(world)
        for index in range(utterances)
    ]
    speakers = np.array([speaker for speaker, _ in spoken], dtype=np.str_)
    return AuditRows(
        ids=np.array([one.utterance_id for _, one in spoken], dtype=np.str_),
        speakers=speakers,
        sources=np.array([f"source {int(speaker[-2:]) % SOURCES}" for speaker in speakers], dtype=np.str_),
        features=np.array([summarise_sound(one.waveform) for _, one in spoken], dtype=np.float64),
        columns={"emotion": np.array([one.emotion for _, one in spoken], dtype=object)},
    )


@pytest.fixture(scope="module")
def worlds(fault_seed: int, module_settings: Settings) -> list[AuditRows]:
    return [speak_world(fault_seed + number) for number in range(module_settings.trial_count(WORLDS))]


def alarms(report: PoisonReport) -> set[str]:
    return {finding.name for finding in report.findings if finding.alarm}


def audit(rows: AuditRows) -> PoisonReport:
    return audit_rows(rows, CONFIG, "emotion", cleanlab)


def test_clean_worlds_are_seldom_accused(worlds: list[AuditRows]) -> None:
    reports = [audit(rows) for rows in worlds]
    accused = [sorted(alarms(report)) for report in reports if report.verdict is not Verdict.PASS]
    print(f"clean worlds accused: {len(accused)} of {len(worlds)} {accused[:5]}")
    assert len(accused) <= 1 + 0.05 * len(worlds)  # measured: 1 of 40, somebody who hardly acts


@pytest.mark.parametrize("attack", ATTACKS)
def test_planted_poison_is_found(worlds: list[AuditRows], fault_seed: int, attack: str) -> None:
    plant, least = ATTACKS[attack]
    found, named, innocent = 0, 0.0, 0
    for number, rows in enumerate(worlds):
        planted = plant(rows, np.random.default_rng([fault_seed, number]))
        report = audit(planted.rows)
        accused = alarms(report)
        found += bool(accused & planted.culprits) and report.verdict is Verdict.FAIL
        named += len(accused & planted.culprits) / len(planted.culprits)
        innocent += bool(accused - planted.touched)
    print(
        f"{attack}: found in {found} of {len(worlds)} worlds, {named / len(worlds):.0%} of the culprits named, "
        f"innocents accused in {innocent}"
    )
    assert found >= least * len(worlds) - 1
    assert innocent <= 1 + 0.05 * len(worlds)


def test_the_worlds_are_what_the_attacks_need(worlds: list[AuditRows]) -> None:
    for rows in worlds:
        assert len(rows.ids) == SPEAKERS * UTTERANCES
        assert len(set(rows.columns["emotion"])) == 6
        assert len(np.unique(rows.sources)) == SOURCES


@pytest.fixture(scope="module")
def few(fault_seed: int, module_settings: Settings) -> list[AuditRows]:
    count = max(2, module_settings.trial_count(WORLDS_OF_FEW))
    return [speak_world(fault_seed + number, FEW_SPEAKERS, MANY_UTTERANCES) for number in range(count)]


def audit_few(rows: AuditRows) -> PoisonReport:
    return audit_own(rows, OWN, "emotion", cleanlab)


def test_clean_speakers_held_against_themselves_are_seldom_accused(few: list[AuditRows]) -> None:
    reports = [audit_few(rows) for rows in few]
    accused = [sorted(alarms(report)) for report in reports if report.verdict is not Verdict.PASS]
    print(f"clean worlds of {FEW_SPEAKERS} speakers accused: {len(accused)} of {len(few)} {accused[:5]}")
    # Measured: 3 of 100. Refused where one world in twenty would come to so many once in a thousand times.
    assert binom.sf(len(accused) - 1, len(few), 0.05) > 0.001


@pytest.mark.parametrize("attack", OWN_ATTACKS)
def test_speakers_held_against_themselves_show_what_is_planted(
    few: list[AuditRows], fault_seed: int, module_settings: Settings, attack: str
) -> None:
    draws = max(4, module_settings.trial_count(WORLDS))
    for rows in few[:2]:
        clean, found, innocent = alarms(audit_few(rows)), 0, 0
        for number in range(draws):
            planted = OWN_ATTACKS[attack](rows, np.random.default_rng([fault_seed, number]))
            report = audit_few(planted.rows)
            found += report.verdict is Verdict.FAIL and planted.culprits <= alarms(report)
            innocent += bool(alarms(report) - planted.culprits - clean)
        print(f"{attack}: found in {found} of {draws} draws, others newly accused in {innocent}")
        assert found >= 0.95 * draws - 1
        assert innocent <= 1 + 0.05 * draws
