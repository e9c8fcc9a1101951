"""The personality family: what may be missing, what is learnt of whom, and what the measures are about."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.config import find_config, load_config
from voxloop.data.schema import TRAITS
from voxloop.errors import CorpusError
from voxloop.tasks import Example
from voxloop.tasks import personality as task
from voxloop.tasks.personality_calibration import LARGEST_SCALE, LARGEST_SHARE
from voxloop.tasks.personality_encoding import encode_inputs
from voxloop.tasks.personality_network import PersonalityNetwork, Read
from voxloop.training.examples import collate

SAYINGS = ("what a party my friends", "perhaps we stay at home", "thank you for listening", "frankly it is late")


def make_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Two utterances a speaker; `loud` says extraversion, the words say agreeableness, the rest is chance."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        of_speaker = np.random.default_rng((seed, number // 2)).normal(4.0, 1.0, 5)
        traits = dict(zip(TRAITS, of_speaker.tolist(), strict=True))
        rows.append(
            {
                "utterance_id": f"u{number}",
                "speaker_id": f"s{number // 2}",
                "language": "en",
                "text": SAYINGS[2 if traits["agreeableness"] > 4.0 else 3] + " " + SAYINGS[number % 2],
                "features": {"loud": 2.0 * traits["extraversion"] + draw.normal(), "noise": draw.normal()},
                **traits,
            }
        )
    return rows


def config(*overrides: str) -> task.PersonalityConfig:
    return load_config(task.PersonalityConfig, find_config("tasks", "personality", "smoke"), overrides)


def ask(network: PersonalityNetwork, rows: Sequence[Mapping[str, Any]], encoding: Any) -> Read:
    inputs = [encode_inputs(row, encoding) for row in rows]
    batch = collate([Example(one, {}, 1.0, 1.0) for one in inputs])
    with torch.no_grad():
        read: Read = network(*[batch.inputs[spec.name] for spec in task.request(encoding).inputs])
    return read


def learnt(*overrides: str, rows: int = 40) -> tuple[PersonalityNetwork, Any]:
    """A network with weights by chance: what it says depends on everything it is asked."""
    torch.manual_seed(1)
    encoding = task.learn_encoding(make_rows(rows), config(*overrides))
    network = task.build_network(config(*overrides), encoding).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network, encoding


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_a_missing_modality_says_nothing(kind: str) -> None:
    network, encoding = learnt(f"kind={kind}")
    both = make_rows(6, seed=3)
    silent = [{**row, "features": {}} for row in both]
    wordless = [{**row, "text": None} for row in both]
    alone_voice, alone_words = ask(network, wordless, encoding), ask(network, silent, encoding)
    together = ask(network, both, encoding)
    for read in (alone_voice, alone_words, together):
        assert read.traits.isfinite().all()
    assert torch.equal(alone_voice.voice, together.voice)
    assert torch.equal(alone_words.words, together.words)
    assert not alone_voice.words.any()
    assert not alone_words.voice.any()
    assert torch.allclose(alone_voice.standard, together.voice + network.bias[1])
    assert torch.allclose(alone_words.standard, together.words + network.bias[2])


def test_nothing_known_is_answered_by_the_mean() -> None:
    network, encoding = learnt()
    row = {**make_rows(1)[0], "features": {"loud": None, "noise": math.nan}, "text": "Zażółć gęślą jaźń"}
    assert ask(network, [row], encoding).traits[0].tolist() == pytest.approx([trait.mean for trait in encoding.traits])


@pytest.mark.parametrize("modality", ["voice", "words"])
def test_a_network_of_one_modality_asks_for_no_other(modality: str) -> None:
    network, encoding = learnt(f"modalities=[{modality}]")
    names = [spec.name for spec in task.request(encoding).inputs]
    assert names == [{"voice": "features", "words": "words"}[modality]]
    assert ask(network, make_rows(4), encoding).traits.shape == (4, 5)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(8)), st.integers(0, 5))
def test_the_order_of_words_and_padding_are_nothing(order: list[int], padding: int) -> None:
    network, _ = learnt()
    features = torch.zeros(1, 2)
    words = torch.tensor([[1, 2, 3, 4, 4, 1, 1, 5]])
    moved = torch.nn.functional.pad(words[:, order], (0, padding))
    with torch.no_grad():
        assert torch.equal(network(features, words).traits, network(features, moved).traits)


def test_only_training_rows_are_learnt_of() -> None:
    rows = make_rows(40)
    encoding = task.learn_encoding(rows, config())
    assert "party" in encoding.vocabulary.words
    assert not encoding.vocabulary.read("xylophone", "en").any()
    centre = next(scale.centre for scale in encoding.features if scale.name == "loud")
    assert centre == pytest.approx(np.median([row["features"]["loud"] for row in rows]))
    means = {row["speaker_id"]: row["openness"] for row in rows}
    assert encoding.traits[0].mean == pytest.approx(np.mean(list(means.values())))


def test_a_word_of_one_speaker_is_not_learnt() -> None:
    rows = make_rows(20)
    rows[0]["text"] += " wanda"
    rows[1]["text"] += " wanda"
    assert "wanda" not in task.learn_encoding(rows, config()).vocabulary.words
    rows[2]["text"] += " wanda"
    assert "wanda" in task.learn_encoding(rows, config()).vocabulary.words


def test_features_nobody_has_or_that_never_differ_are_left_out() -> None:
    rows = make_rows(40)
    for row in rows:
        row["features"] |= {"constant": 3.0, "rare": None, "speaker_words__utterances": float(len(row["text"]))}
    rows[0]["features"]["rare"] = 1.0
    assert [scale.name for scale in task.learn_encoding(rows, config()).features] == ["loud", "noise"]


def test_a_trait_that_is_not_known_teaches_nothing() -> None:
    network, encoding = learnt()
    rows = make_rows(4)
    masked = [{**row, "openness": None} for row in rows]
    examples = [task.encode(row, None, encoding, config()) for row in masked]
    batch = collate([example for example in examples if example is not None])
    read = ask(network, rows, encoding)
    told = task.losses(read, batch.targets, config())
    other = Read(*(part.clone() for part in read))
    other.standard[:, 0] += 100.0
    assert torch.equal(told, task.losses(other, batch.targets, config()))
    assert task.encode({**rows[0], **dict.fromkeys(TRAITS)}, None, encoding, config()) is None
    with pytest.raises(CorpusError, match="finite"):
        task.encode({**rows[0], "openness": math.nan}, None, encoding, config())


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_losses_add_up_over_batches(kind: str) -> None:
    network, encoding = learnt(f"kind={kind}")
    rows = make_rows(6)
    batch = collate([e for row in rows if (e := task.encode(row, None, encoding, config(f"kind={kind}")))])
    losses = task.losses(ask(network, rows, encoding), batch.targets, config(f"kind={kind}"))
    alone = [
        task.losses(
            ask(network, [row], encoding), {k: v[i : i + 1] for k, v in batch.targets.items()}, config(f"kind={kind}")
        )
        for i, row in enumerate(rows)
    ]
    assert torch.allclose(losses, torch.cat(alone), atol=1e-6)


def test_perturbing_hides_at_most_one_modality_and_only_what_there_was() -> None:
    encoding = task.learn_encoding(make_rows(40), config())
    hiding = config("perturbation={voice: 0.5, words: 0.4, each_word: 0.5}")
    example = task.encode(make_rows(1)[0], None, encoding, hiding)
    assert example is not None
    heard = worded = 0
    for seed in range(100):
        inputs = task.perturb(example, hiding, np.random.default_rng(seed)).inputs
        has_voice, has_words = not np.isnan(inputs["features"]).all(), bool(inputs["words"].any())
        assert has_voice or has_words
        assert set(inputs["words"]) <= {0, *example.inputs["words"]}
        heard, worded = heard + has_voice, worded + has_words
    assert 30 < heard < 70
    assert 40 < worded < 80
    silent = Example({**example.inputs, "features": np.full(2, np.nan, np.float32)}, {}, 1.0, 1.0)
    assert all(task.perturb(silent, hiding, np.random.default_rng(seed)).inputs["words"].any() for seed in range(50))


def test_calibration_makes_speakers_differ_as_much_as_labels_do() -> None:
    network, encoding = learnt()
    rows = make_rows(60, seed=5)
    examples = [e for row in rows if (e := task.encode(row, None, encoding, config()))]
    targets = collate(examples).targets
    told = task.calibrate(network, [(ask(network, rows, encoding), targets)])
    assert len(told) == 16
    assert 0.0 <= told["voice_share"] <= LARGEST_SHARE
    traits = ask(network, rows, encoding).traits.numpy().reshape(-1, 2, 5).mean(axis=1)
    assert traits.std(axis=0) == pytest.approx([trait.sd for trait in encoding.traits], rel=1e-4)
    before = network.scale.clone()
    task.calibrate(network, [(ask(network, rows, encoding), targets)])
    assert torch.allclose(before, network.scale)


def test_calibration_blows_up_nothing() -> None:
    network, encoding = learnt()
    rows = make_rows(60)
    examples = [e for row in rows if (e := task.encode(row, None, encoding, config()))]
    traits, standard, voice, words, known = ask(network, rows, encoding)
    read = Read(traits, standard, voice * 1e-6, words * 1e-6, known)
    told = task.calibrate(network, [(read, collate(examples).targets)])
    assert {value for name, value in told.items() if name.startswith("scale")} == {LARGEST_SCALE}
    few = collate(examples[:6]).targets
    assert set(task.calibrate(network, [(Read(*(part[:6] for part in read)), few)]).values()) == {1.0}


def test_measures_are_over_speakers() -> None:
    rows = make_rows(40)
    encoding = task.learn_encoding(rows, config())
    references = [task.reference(row, encoding) or {} for row in rows]
    wobble = [1.0 if number % 2 else -1.0 for number in range(40)]
    answers = [
        {"traits": {trait: row[trait] + step for trait in TRAITS}} for row, step in zip(rows, wobble, strict=True)
    ]
    measured = task.measure(references, answers, encoding)
    assert measured["ccc"] == pytest.approx(1.0)
    assert measured["r_openness"] == pytest.approx(1.0)
    assert measured["one_minus_mae"] == pytest.approx(1.0)
    means = {trait.name: trait.mean for trait in encoding.traits}
    of_mean = task.measure(references, [{"traits": means}] * 40, encoding)
    assert (of_mean["ccc"], of_mean["r"]) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert of_mean["one_minus_mae"] == pytest.approx(of_mean["one_minus_mae_of_mean"])


def test_measures_of_nothing_are_not_numbers() -> None:
    encoding = task.learn_encoding(make_rows(40), config())
    assert all(math.isnan(value) for value in task.measure([], [], encoding).values())
    binary = encoding.model_copy(update={"kind": "binary"})
    assert all(math.isnan(value) for value in task.measure([], [], binary).values())


def test_binary_labels_are_above_the_median_of_training_or_as_they_were() -> None:
    rows = make_rows(40)
    encoding = task.learn_encoding(rows, config("kind=binary"))
    wanted = [task.reference(row, encoding) or {} for row in rows]
    assert sum(answer["traits"]["openness"] for answer in wanted) == pytest.approx(20, abs=2)
    perfect = task.measure(wanted, wanted, encoding)
    assert perfect["accuracy"] == perfect["balanced_accuracy_neuroticism"] == 1.0
    yes = [{"traits": dict.fromkeys(TRAITS, 1.0)}] * 40
    assert task.measure(wanted, yes, encoding)["balanced_accuracy"] == 0.5
    for number, row in enumerate(rows):
        row["openness"] = float(number > 3)
    assert task.learn_encoding(rows, config("kind=binary")).traits[0].threshold == 0.5


def test_decode_names_the_traits() -> None:
    encoding = task.learn_encoding(make_rows(40), config("kind=binary"))
    told = task.decode({"traits": np.array([[0.5, 0.1, 0.9, 0.2, 0.3]])}, encoding)
    assert told[0]["traits"]["extraversion"] == 0.9
    assert told[0]["present"] == {**dict.fromkeys(TRAITS, False), "openness": True, "extraversion": True}


def test_what_cannot_be_learnt_is_refused() -> None:
    rows = make_rows(40)
    with pytest.raises(CorpusError, match="no training row has voice"):
        task.learn_encoding([{**row, "features": {}} for row in rows], config())
    with pytest.raises(CorpusError, match="no training row has words"):
        task.learn_encoding([{**row, "text": None} for row in rows], config())
    with pytest.raises(CorpusError, match="1 different values of openness"):
        task.learn_encoding([{**row, "openness": 4.0} for row in rows], config())


@pytest.mark.parametrize("name", ["smoke", "small", "base"])
def test_every_configuration_is_one(name: str) -> None:
    load_config(task.PersonalityConfig, find_config("tasks", "personality", name))
