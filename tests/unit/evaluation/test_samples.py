"""What the statistics are computed from gives the very measures that the families compute themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.evaluation.answers import SLICE_COLUMNS, Answers
from voxloop.evaluation.samples import Sample, count_errors, take_samples
from voxloop.tasks import Answer, asr, emotion, personality
from voxloop.tasks.personality_encoding import PersonalityEncoding

LABELS = ("anger", "fear", "joy")
WORDS = ("one", "two", "three", "eight")
EMOTION = emotion.EmotionEncoding(labels=LABELS, weights=(1.0, 1.0, 1.0))
ASR = asr.Encoding(symbols=("_", *sorted(set("".join(WORDS) + " "))))

speakers = st.sampled_from(["s1", "s2", "s3"])
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
heard = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)


def make(rows: Sequence[tuple[str, Answer, Answer]]) -> Answers:
    who, wanted, found = zip(*rows, strict=True)
    ids = np.array([f"u{index:03d}" for index in range(len(rows))], dtype=np.str_)
    columns = {name: [None] * len(rows) for name in SLICE_COLUMNS}
    return Answers(ids, np.array(who, dtype=np.str_), tuple(wanted), tuple(found), columns)


def value(sample: Sample) -> float:
    return float(sample.measure.value(sample.moments.sum(axis=0)))


def said(label: str, sure: float) -> Answer:
    rest = (1.0 - sure) / (len(LABELS) - 1)
    return {"emotion": label, "probabilities": {name: sure if name == label else rest for name in LABELS}}


@given(
    st.lists(
        st.tuples(speakers, st.sampled_from(LABELS), st.sampled_from(LABELS), st.floats(0.5, 0.99)),
        min_size=1,
        max_size=30,
    )
)
def test_emotion(rows: list[tuple[str, str, str, float]]) -> None:
    answers = make([(who, {"emotion": wanted}, said(found, sure)) for who, wanted, found, sure in rows])
    samples = take_samples(answers, "emotion", EMOTION)
    known = emotion.measure(answers.references, [one for one in answers.answers if one], EMOTION)
    assert {name: value(samples[name]) for name in known} == pytest.approx(known)
    right = np.array([wanted == found for _, wanted, found, _ in rows])
    sure = np.array([sure for *_, sure in rows])
    places = np.minimum((sure * 15).astype(int), 14)
    gaps = [
        abs(right[places == place].mean() - sure[places == place].mean()) * np.mean(places == place)
        for place in set(places)
    ]
    assert value(samples["ece"]) == pytest.approx(sum(gaps))


@given(st.lists(st.tuples(speakers, texts, heard), min_size=1, max_size=20))
def test_asr(rows: list[tuple[str, str, str]]) -> None:
    answers = make([(who, {"text": wanted}, {"text": found, "confidence": 0.5}) for who, wanted, found in rows])
    samples = take_samples(answers, "asr", ASR)
    known = asr.measure(answers.references, [one for one in answers.answers if one], ASR)
    assert {name: value(samples[name]) for name in known} == pytest.approx(known)
    assert samples["wer"].moments[:, 1].tolist() == [len(wanted.split()) for _, wanted, _ in rows]


def test_errors_of_each_row_are_its_own() -> None:
    errors, lengths = count_errors(
        ["one two", "three", "eight one"], ["one", "three one two", "eight one"], characters=False
    )
    assert (errors.tolist(), lengths.tolist()) == ([1, 2, 0], [2, 1, 2])
    assert [len(part) for part in count_errors([], [], characters=True)] == [0, 0]


@pytest.mark.parametrize("kind", ["regression", "binary"])
@pytest.mark.parametrize("seed", range(8))
def test_personality_over_speakers(kind: str, seed: int) -> None:
    draw, encoding = np.random.default_rng(seed), make_encoding(kind)
    of_speaker = {f"s{number}": tuple(draw.uniform(1.0, 7.0, 2)) for number in range(9)}
    rows = [(who, draw.uniform(1.0, 7.0, 2)) for who in draw.choice(list(of_speaker), 40)]
    answers = make(
        [
            (who, {**traits(of_speaker[who], kind), "speaker_id": who}, traits(found, "regression", kind))
            for who, found in rows
        ]
    )
    samples = take_samples(answers, "personality", encoding)
    known = personality.measure(answers.references, [one for one in answers.answers if one], encoding)
    assert len(samples["ccc"].moments) == len({who for who, _ in rows})
    assert {name: value(sample) for name, sample in samples.items()} == pytest.approx(
        {name: known[name] for name in samples}
    )


def traits(values: Sequence[float] | np.ndarray, kind: str, scale: str = "regression") -> Answer:
    numbers = dict(zip(("openness", "neuroticism"), values, strict=True))
    if kind == "binary":
        return {"traits": {name: float(number > 4) for name, number in numbers.items()}}
    return {"traits": {name: (number - 1) / 6 if scale == "binary" else number for name, number in numbers.items()}}


def make_encoding(kind: str) -> PersonalityEncoding:
    return PersonalityEncoding.model_validate(
        {
            "kind": kind,
            "modalities": ["voice"],
            "traits": [
                {"name": name, "mean": 4.0, "sd": 1.0, "threshold": 4.0} for name in ("openness", "neuroticism")
            ],
            "features": [{"name": "pitch", "centre": 0.0, "spread": 1.0}],
            "clip": 4.0,
            "vocabulary": {"words": [], "weights": [], "pairs": False, "longest": 100},
            "answer_range": [1.0, 7.0],
        }
    )


def test_an_answer_that_is_missing_is_not_passed_over() -> None:
    answers = make([("s1", {"emotion": "anger"}, said("anger", 0.9)), ("s2", {"emotion": "fear"}, said("fear", 0.9))])
    answers = Answers(
        answers.utterance_ids, answers.speaker_ids, answers.references, (answers.answers[0], None), answers.columns
    )
    with pytest.raises(ValueError, match="1 utterances have no answer"):
        take_samples(answers, "emotion", EMOTION)
