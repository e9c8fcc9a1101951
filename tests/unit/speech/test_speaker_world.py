from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.config import find_config, load_config
from voxloop.data.corpora.world import WorldCorpusConfig
from voxloop.errors import ConfigError
from voxloop.speech.sentences import NEW_WORDS, OWN_SPEAKERS, OWN_UTTERANCES, count_sentences
from voxloop.speech.speaker_traits import move_voice
from voxloop.speech.speaker_world import Plan, Speaker, list_speakers, plan_utterance, speak_utterance
from voxloop.speech.waveform import SAMPLE_RATE, measure_loudness
from voxloop.speech.world_config import EMOTIONS, WorldConfig
from voxloop.store.digests import digest_bytes


def make_world(*overrides: str, **changes: Any) -> WorldConfig:
    keyed = tuple(f"world.{key.replace('__', '.')}={value}" for key, value in changes.items())
    given_whole = tuple(f"world.{override}" for override in overrides)
    return load_config(WorldCorpusConfig, find_config("corpora", "world"), (*keyed, *given_whole)).world


def plan_all(world: WorldConfig) -> list[Plan]:
    """Every utterance, unspoken."""
    return [
        plan_utterance(world, speaker, index)
        for speaker in list_speakers(world)
        for index in range(world.utterances_per_speaker)
    ]


@pytest.fixture(scope="module")
def large() -> tuple[WorldConfig, dict[str, Speaker]]:
    world = make_world(home__speakers=30, newcomers__speakers=30)
    return world, {speaker.speaker_id: speaker for speaker in list_speakers(world)}


@hypothesis_settings(max_examples=25, deadline=None)
@given(first=st.integers(0, 29), newcomers=st.integers(0, 10), index=st.integers(0, 40), utterances=st.integers(1, 50))
def test_an_utterance_depends_on_nothing_but_seed_speaker_and_index(
    large: tuple[WorldConfig, dict[str, Speaker]], first: int, newcomers: int, index: int, utterances: int
) -> None:
    config, speakers = large
    small = make_world(
        home__first_speaker=first,
        home__speakers=1,
        newcomers__speakers=newcomers,
        utterances_per_speaker=utterances,
    )
    for speaker in list_speakers(small):
        assert speaker == speakers[speaker.speaker_id]
    chosen = next(iter(list_speakers(small)))
    here, there = speak_utterance(small, chosen, index), speak_utterance(config, chosen, index)
    assert (here.utterance_id, here.text, here.emotion) == (there.utterance_id, there.text, there.emotion)
    assert here.waveform.tobytes() == there.waveform.tobytes()


def test_the_speakers_whom_the_log_tells_of_are_as_they_were() -> None:
    """Texts, emotions and prosody of the demo's 1,152 utterances and 48 speakers; the log's figures rest on them."""
    world = make_world()
    told = [
        (plan.utterance_id, plan.text, plan.emotion, *(round(value, 6) + 0.0 for _, value in plan.style))
        for plan in plan_all(world)
    ]
    people = [
        (one.gender, one.age, one.voice, round(one.pitch, 6), round(one.rate, 6), round(one.channel.noise_db, 6))
        for one in list_speakers(world)
    ]
    assert len(told) == 1_152
    assert (
        digest_bytes(repr((told, people)).encode())
        == "c2c6b07eae2d5d5a198dd92585863203219138c58656d2d52769588f67081c05"
    )


def test_night_two_holds_night_one() -> None:
    one = list(list_speakers(make_world(home__speakers=5)))
    two = list(list_speakers(make_world(home__speakers=5, newcomers__speakers=5)))
    assert two[:5] == one
    old, new = ({speaker.voice for speaker in part} for part in (one, two[5:]))
    assert not old & new


def test_another_seed_is_another_world() -> None:
    one, other = (next(iter(list_speakers(make_world(seed=seed)))) for seed in (1, 2))
    assert one.speaker_id == other.speaker_id
    assert one != other


def test_labels_are_balanced_and_sound_is_sound() -> None:
    world = make_world(home__speakers=2)
    said = [speak_utterance(world, speaker, index) for speaker in list_speakers(world) for index in range(12)]
    assert Counter(one.emotion for one in said) == dict.fromkeys(EMOTIONS, 4)
    for one in said:
        assert one.waveform.dtype == np.float32
        assert 1.0 < len(one.waveform) / SAMPLE_RATE < 8.0
        assert 0.01 < np.abs(one.waveform).max() <= 1.0


def test_emotions_move_the_voice_the_way_the_table_says() -> None:
    world = make_world(home__speakers=6, ambiguity=0, spread=0)
    said = [speak_utterance(world, speaker, index) for speaker in list_speakers(world) for index in range(6)]

    def level(emotion: str) -> float:
        return float(np.mean([np.sqrt(np.mean(one.waveform**2)) for one in said if one.emotion == emotion]))

    def seconds(emotion: str) -> float:
        return float(np.mean([len(one.waveform) for one in said if one.emotion == emotion])) / SAMPLE_RATE

    assert level("anger") > level("neutral") > level("sadness")
    assert seconds("sadness") > seconds("neutral") > seconds("fear")


def test_ambiguity_brings_emotions_closer() -> None:
    def spread(ambiguity: float) -> float:
        world = make_world(home__speakers=8, ambiguity=ambiguity, spread=0)
        lengths = [
            [len(speak_utterance(world, speaker, index).waveform) for speaker in list_speakers(world)]
            for index in (EMOTIONS.index("fear"), EMOTIONS.index("sadness"))
        ]
        return float(np.mean(lengths[1]) - np.mean(lengths[0]))

    assert spread(1.0) < 0.8 * spread(0.0)


KNOBS = {
    "home.accents=[en-gb-scotland]": ({"voice"}, set()),
    "home.accents=[en-us, en-029, en-gb-x-gbclan]": ({"voice"}, set()),
    "home.women=[f5]": ({"voice"}, set()),
    "home.men=[m4]": ({"voice"}, set()),
    "home.rate_factor=1.3": ({"rate_factor"}, set()),
    "home.expressiveness=0.7": ({"expressiveness"}, {"style"}),
    "home.manner={level: 1.0}": ({"habit"}, {"style"}),
    "home.label_shares={anger: 3, neutral: 1}": ({"label_shares"}, {"emotion", "style"}),
    "home.new_word_share=0.5": ({"new_word_share"}, {"text"}),
    "home.new_words=[blockchain]": ({"new_words"}, set()),
    "home.noise_db=[-10, -5]": ({"channel"}, set()),
    "home.snr_db=12": ({"channel"}, set()),
    "home.telephone_share=0.5": ({"channel"}, set()),
    "home.codec=opus": ({"channel"}, set()),
    "home.codec_quality=0.2": ({"channel"}, set()),
    "traits.spread=0.5": ({"traits"}, set()),
    "traits.voice=1": ({"habit"}, {"style"}),
    "traits.words=1": (set(), {"text"}),
    "own_sentences=true": (set(), {"text"}),
    "newcomers.telephone_share=1": (set(), set()),
}
"""What each knob may change: of a speaker, and of what is planned to be said."""


@pytest.mark.parametrize("knob", KNOBS)
def test_a_knob_changes_what_it_is_about_and_nothing_else(knob: str) -> None:
    before, after = make_world(home__speakers=12), make_world(knob, home__speakers=12)
    of_speaker, of_plan = KNOBS[knob]
    assert find_changes(map(asdict, list_speakers(before)), map(asdict, list_speakers(after))) == of_speaker
    assert find_changes(map(asdict, plan_all(before)), map(asdict, plan_all(after))) == of_plan


def find_changes(one: Any, other: Any) -> set[str]:
    return {key for old, new in zip(one, other, strict=True) for key in old if old[key] != new[key]}


@pytest.mark.parametrize(
    "knob",
    [
        "home.rate_factor=1.0", "home.label_shares=null", "home.new_word_share=0", "home.new_words=[blockchain]",
        "home.snr_db=null", "home.telephone_share=0", "home.codec=none", "home.codec_quality=0.9", "traits.voice=0",
        "traits.words=0", "traits.spread=2", "traits.styles.openness.level=2.0", "own_sentences=false",
    ],
)  # fmt: skip
def test_a_knob_left_alone_leaves_every_byte(knob: str) -> None:
    before, after = make_world(home__speakers=2), make_world(knob, home__speakers=2)
    for one, other in zip(list_speakers(before), list_speakers(after), strict=True):
        old, new = speak_utterance(before, one, 3), speak_utterance(after, other, 3)
        assert (old.text, old.emotion) == (new.text, new.emotion)
        assert old.waveform.tobytes() == new.waveform.tobytes()


@pytest.mark.parametrize("knob", ["home.snr_db=5", "home.telephone_share=1", "home.codec=vorbis"])
def test_a_knob_of_the_channel_is_heard_in_every_utterance(knob: str) -> None:
    before, after = make_world(home__speakers=3), make_world(knob, home__speakers=3)
    for one, other in zip(list_speakers(before), list_speakers(after), strict=True):
        old, new = speak_utterance(before, one, 1).waveform, speak_utterance(after, other, 1).waveform
        assert len(old) == len(new)
        assert not np.array_equal(old, new)


ALL_TURNED = (
    "home.rate_factor=0.8", "home.label_shares={fear: 1, sadness: 2}", "home.new_word_share=0.7", "home.snr_db=15",
    "home.telephone_share=0.5", "home.codec=opus", "home.codec_quality=0.3", "traits.voice=1", "traits.words=1",
)  # fmt: skip


def digest_world() -> dict[str, str]:
    world = make_world(*ALL_TURNED, home__speakers=3)
    return {
        f"{speaker.speaker_id}/{index}": digest_bytes(speak_utterance(world, speaker, index).waveform.tobytes())
        for speaker in reversed(list(list_speakers(world)))
        for index in (4, 0, 2)
    }


def test_with_every_knob_turned_another_process_says_the_same_in_any_order() -> None:
    program = "import tests.unit.speech.test_speaker_world as here, json; print(json.dumps(here.digest_world()))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    world = make_world(*ALL_TURNED, home__speakers=3)
    for speaker in list_speakers(world):
        for index in (0, 2, 4):
            digest = digest_bytes(speak_utterance(world, speaker, index).waveform.tobytes())
            assert f'"{speaker.speaker_id}/{index}": "{digest}"' in told


def test_a_telephone_passes_nothing_above_its_band() -> None:
    world = make_world(home__speakers=1, home__telephone_share=1, home__noise_db="[-90, -90]")
    wave = speak_utterance(world, next(iter(list_speakers(world))), 3).waveform
    power = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
    assert power[hertz > 4_000].sum() < 1e-3 * power.sum()


def test_the_share_of_telephones_grows_by_the_same_speakers() -> None:
    def on_the_line(share: float) -> set[str]:
        world = make_world(home__speakers=200, home__telephone_share=share)
        return {speaker.speaker_id for speaker in list_speakers(world) if speaker.channel.telephone}

    few, many = on_the_line(0.25), on_the_line(0.6)
    assert few < many
    assert 35 <= len(few) <= 65
    assert 100 <= len(many) <= 140


@pytest.mark.parametrize("snr", [0, 10, 25])
def test_the_ratio_of_an_utterance_is_the_one_set(snr: float) -> None:
    said = []
    for value in (snr, 90):
        world = make_world(home__speakers=2, home__snr_db=value)
        quiet = [replace(one, habit=one.habit.model_copy(update={"level": -6.0})) for one in list_speakers(world)]
        said.append([speak_utterance(world, speaker, 3).waveform for speaker in quiet])  # too quiet to clip
    for noisy, clean in zip(*said, strict=True):
        assert measure_loudness(clean) - measure_loudness(noisy - clean) == pytest.approx(snr, abs=0.05)


def test_the_rate_factor_makes_speech_shorter() -> None:
    def seconds(factor: float) -> float:
        world = make_world(home__speakers=6, home__rate_factor=factor)
        return sum(len(speak_utterance(world, speaker, 3).waveform) for speaker in list_speakers(world)) / SAMPLE_RATE

    assert seconds(1.4) * 1.25 < seconds(1.0) < seconds(0.7) / 1.25


@hypothesis_settings(max_examples=20, deadline=None)
@given(weights=st.lists(st.integers(0, 9), min_size=6, max_size=6).filter(any), seed=st.integers(0, 99))
def test_every_speaker_s_labels_have_the_shares_that_are_set(weights: list[int], seed: int) -> None:
    shares = dict(zip(EMOTIONS, weights, strict=True))
    world = make_world(f"home.label_shares={shares}".replace("'", ""), home__speakers=2, seed=seed)
    for speaker in list_speakers(world):
        counts = Counter(plan_utterance(world, speaker, index).emotion for index in range(100))
        for emotion, weight in shares.items():
            assert counts[emotion] == pytest.approx(100 * weight / sum(weights), abs=4)
            assert weight or not counts[emotion]


def test_the_share_of_new_words_grows_by_the_same_sentences() -> None:
    def said_new(share: float) -> set[str]:
        plans = plan_all(make_world(home__speakers=20, home__new_word_share=share))
        return {one.utterance_id for one in plans if set(one.text.lower().rstrip(".").split()) & set(NEW_WORDS)}

    assert not said_new(0.0)
    few, many = said_new(0.2), said_new(0.5)
    assert few < many
    assert len(few) / 480 == pytest.approx(0.2, abs=0.06)
    assert len(many) / 480 == pytest.approx(0.5, abs=0.07)
    assert len(said_new(1.0)) == 480


@pytest.mark.parametrize("more", [(), ("home.new_word_share=0.5",), ("traits.words=1",)])
def test_with_sentences_of_their_own_nobody_says_what_another_has_said(more: tuple[str, ...]) -> None:
    world = make_world("own_sentences=true", *more, home__speakers=100, newcomers__speakers=60)
    said = Counter(one.text for one in plan_all(world))
    assert max(said.values()) == 1
    drawn = make_world(*more, home__speakers=100, newcomers__speakers=60)
    assert max(Counter(one.text for one in plan_all(drawn)).values()) > 1


def test_sentences_of_one_s_own_use_every_phrase_as_often() -> None:
    texts = [one.text for one in plan_all(make_world("own_sentences=true"))]
    for begins in (True, False):
        said = Counter(" ".join(text.split()[:2] if begins else text.split()[-1:]) for text in texts)
        assert len(said) >= 10
        assert max(said.values()) < 2 * min(said.values())


def test_new_words_of_one_s_own() -> None:
    plans = plan_all(make_world("home.new_words=[blockchain]", home__speakers=1, home__new_word_share=1))
    assert all(" the blockchain " in one.text for one in plans)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("home.new_words=[box]", "'box' is not new"),
        ("home.new_words=[naïve]", "not made of plain letters"),
        ("home.label_shares={joy: 1}", "joy"),
        ("home.label_shares={anger: 0}", "share above 0"),
        ("home.codec=flac", "home.codec"),
        ("home.codec_quality=0", "home.codec_quality"),
        ("home.rate_factor=9", "home.rate_factor"),
        ("home.snr_db=loud", "home.snr_db"),
        ("traits.voice=-1", "traits.voice"),
        ("traits.voices=1", "did you mean 'world.traits.voice'"),
    ],
)
def test_what_a_knob_refuses_is_named(override: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_world(override)
    assert problem in str(refused.value)


def test_own_sentences_are_refused_where_there_are_too_few() -> None:
    for changes in ({"utterances_per_speaker": 31}, {"home__speakers": 241}):
        with pytest.raises(ConfigError, match="own_sentences are enough for 240 speakers a cohort with 30"):
            make_world("own_sentences=true", **changes)
    assert count_sentences() == 2 * OWN_SPEAKERS * OWN_UTTERANCES


@pytest.mark.parametrize(("trait", "louder", "faster"), [("extraversion", True, True), ("agreeableness", False, None)])
def test_traits_are_heard_in_the_voice(trait: str, louder: bool, faster: bool | None) -> None:
    world = make_world("traits.voice=1", home__speakers=8, ambiguity=0, spread=0)

    def speak_with(score: float) -> tuple[float, float]:
        said = []
        for speaker in list_speakers(world):
            moved = move_voice(speaker.traits.model_copy(update={trait: score}), world.traits)
            said.append(speak_utterance(world, replace(speaker, habit=moved), 3).waveform)
        return float(np.mean([measure_loudness(one) for one in said])), float(np.mean([len(one) for one in said]))

    (low, slow), (high, fast) = speak_with(1.5), speak_with(6.5)
    assert (high > low + 3) if louder else (high < low - 3)
    if faster is not None:
        assert (fast < 0.9 * slow) is faster


def test_extraverts_exclaim() -> None:
    world = make_world("traits.words=1", home__speakers=40)
    exclaims = {
        speaker.speaker_id: np.mean([plan_utterance(world, speaker, index).text.endswith("!") for index in range(24)])
        for speaker in list_speakers(world)
    }
    scores = {speaker.speaker_id: speaker.traits.extraversion for speaker in list_speakers(world)}
    assert all(share == 0 for who, share in exclaims.items() if scores[who] <= 4)
    assert np.corrcoef(list(exclaims.values()), list(scores.values()))[0, 1] > 0.8
