"""The recogniser: what it refuses, what it is told, and a network that does not see padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from tests.unit.tasks.asr_tones import LETTERS, tiny_config, tone_row, tone_waveform
from voxloop.config import find_config, load_config
from voxloop.errors import CorpusError
from voxloop.tasks import Example, asr, get_task
from voxloop.tasks.conformer import Conformer
from voxloop.tasks.ctc import least_frames
from voxloop.tasks.transcripts import AsrEncoding
from voxloop.training.devices import open_fabric, reproducible
from voxloop.training.engine import Engine, Material
from voxloop.training.examples import collate, gather_examples
from voxloop.training.interruption import Interruption
from voxloop.training.parity import check_parity
from voxloop.training.watching import Silent

CONFIG = tiny_config()
assert CONFIG.network is not None
SHAPE = CONFIG.network
ENCODING = AsrEncoding(symbols=("<blank>", *sorted(LETTERS)), unspoken=".,!")
SECOND = np.zeros(16_000, dtype=np.int16)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return asr.build_network(CONFIG, ENCODING).eval()


def make_example(text: str, seed: int = 0, config: asr.AsrConfig = CONFIG) -> Example:
    example = asr.encode(tone_row(text), tone_waveform(text, np.random.default_rng(seed)), ENCODING, config)
    assert example is not None
    return example


def test_the_symbols_are_those_of_the_training_transcripts() -> None:
    rows = [tone_row("Bad  cab!"), tone_row(None), tone_row("a dab")]
    encoding = asr.learn_encoding(rows, CONFIG)
    assert encoding.labels == ("<blank>", " ", "a", "b", "c", "d")
    assert (encoding.normaliser, encoding.sample_rate) == ("voxloop.data.text", 16_000)
    assert encoding.normaliser_version
    with pytest.raises(CorpusError, match="no row to train on has a transcript"):
        asr.learn_encoding([tone_row(None)], CONFIG)


def test_an_example_holds_sound_and_tokens() -> None:
    example = asr.encode(tone_row("Dab, a"), SECOND, ENCODING, CONFIG)
    assert example is not None
    assert [ENCODING.symbols[token] for token in example.targets["tokens"]] == list("dab a")
    assert (example.weight, int(example.targets["num_tokens"])) == (5.0, 5)
    assert example.seconds == int(example.inputs["num_samples"]) / 16_000
    assert asr.encode(tone_row(None), SECOND, ENCODING, CONFIG) is None


@pytest.mark.parametrize("text", ["", "  ", "...!"])
def test_an_empty_transcript_is_refused(text: str) -> None:
    with pytest.raises(CorpusError, match="u1 has an empty transcript"):
        asr.encode(tone_row(text), SECOND, ENCODING, CONFIG)


def test_an_unknown_character_is_refused_by_name() -> None:
    with pytest.raises(CorpusError, match=r"u1 has 'ż' in its transcript 'baż'; the training .* written with abcd"):
        asr.encode(tone_row("baż"), SECOND, ENCODING, CONFIG)


def test_an_utterance_shorter_than_the_receptive_field_is_refused() -> None:
    field = asr.receptive_field(CONFIG)
    assert field == 400 + 6 * 160
    asr.encode(tone_row("a"), SECOND[:field], ENCODING, CONFIG)
    with pytest.raises(CorpusError, match=r"u1 has 0\.085 s of sound; the network looks at 0\.085 s at once"):
        asr.encode(tone_row("a"), SECOND[: field - 1], ENCODING, CONFIG)


def test_an_utterance_too_short_for_its_transcript_is_refused() -> None:
    frames = asr.count_outputs(16_000, CONFIG)
    fitting = "ab" * (frames // 2)
    asr.encode(tone_row(fitting), SECOND, ENCODING, CONFIG)
    doubled = "aa" * (frames // 2)
    with pytest.raises(
        CorpusError, match=rf"u1 has 1\.000 s, which is {frames} frames, .* take {len(doubled) * 2 - 1} fr"
    ):
        asr.encode(tone_row(doubled), SECOND, ENCODING, CONFIG)


@given(num_samples=st.integers(1, 40_000), stages=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_frames_are_counted_as_the_network_does(num_samples: int, stages: int) -> None:
    shape = SHAPE.model_copy(update={"channels": (2,) * stages})
    config = CONFIG.model_copy(update={"network": shape})
    with torch.inference_mode():
        log_probs, counts = asr.build_network(config, ENCODING).eval()(
            torch.zeros(1, num_samples), torch.tensor([num_samples])
        )
    assert counts.tolist() == [asr.count_outputs(num_samples, config)]
    assert log_probs.shape[1] >= counts[0]
    assert log_probs.shape[2] == len(ENCODING.symbols)


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(200, 30_000), min_size=2, max_size=4), padding=st.integers(0, 20_000))
def test_an_answer_does_not_depend_on_its_batch(network: asr.AsrNetwork, lengths: list[int], padding: int) -> None:
    batch = torch.zeros(len(lengths), max(lengths) + padding)
    for row, length in enumerate(lengths):
        batch[row, :length] = 0.1 * torch.randn(length, generator=torch.Generator().manual_seed(row))
    with torch.inference_mode():
        together, counts = network(batch, torch.tensor(lengths))
        for row, length in enumerate(lengths):
            alone, count = network(batch[row : row + 1, :length], torch.tensor([length]))
            assert counts[row] == count[0]
            torch.testing.assert_close(together[row, : count[0]], alone[0, : count[0]], atol=1e-4, rtol=0)


def test_no_gradient_comes_from_padding(network: asr.AsrNetwork) -> None:
    waveform = (0.1 * torch.randn(2, 16_000)).requires_grad_()
    log_probs, counts = network(waveform, torch.tensor([16_000, 9_000]))
    log_probs[1, : counts[1]].square().sum().backward()
    assert waveform.grad is not None
    assert waveform.grad[1, :8_000].any()
    assert not waveform.grad[1, 9_000:].any()


def test_the_loss_of_a_step_is_the_likelihood_a_token(network: asr.AsrNetwork) -> None:
    batch = collate([make_example("ab"), make_example("dacab", 1)])
    found = asr.losses(network(*batch.inputs.values()), batch.targets, CONFIG)
    alone = [
        asr.losses(network(*one.inputs.values()), one.targets, CONFIG)[0]
        for one in (collate([make_example("ab")]), collate([make_example("dacab", 1)]))
    ]
    torch.testing.assert_close(found, torch.stack(alone), atol=1e-4, rtol=1e-4)
    assert batch.weights.tolist() == [2.0, 5.0]


def test_two_views_are_made_in_training_alone() -> None:
    config = tiny_config("consistency=0.2", "augmentation.masks=1")
    torch.manual_seed(0)
    trained = asr.build_network(config, ENCODING)
    batch = collate([make_example("ab"), make_example("dacab", 1)])
    log_probs, counts = trained(*batch.inputs.values())
    assert len(log_probs) == 4
    assert counts[:2].tolist() == counts[2:].tolist()
    assert not torch.equal(log_probs[:2], log_probs[2:])
    found = asr.losses((log_probs, counts), batch.targets, config)
    assert found.shape == (2,)
    assert torch.isfinite(found).all()
    swapped = (torch.cat([log_probs[2:], log_probs[:2]]), counts)
    torch.testing.assert_close(asr.losses(swapped, batch.targets, config), found)
    without = config.model_copy(update={"consistency": 0.0})
    assert (asr.losses((log_probs, counts), batch.targets, without) < found).all()
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert len(trained.eval()(*batch.inputs.values())[0]) == 2


@given(seed=st.integers(0, 2**32), text=st.text("abcd", min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_a_perturbed_utterance_still_holds_its_transcript(seed: int, text: str) -> None:
    config = tiny_config("perturbation={speeds: [0.5, 1.0, 20.0], noise_db: [5, 20]}")
    example = make_example(text)
    once, again = (asr.perturb(example, config, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(once.inputs["waveform"], again.inputs["waveform"])
    assert once.inputs["waveform"].dtype == np.int16
    assert int(once.inputs["num_samples"]) == len(once.inputs["waveform"])
    assert asr.count_outputs(len(once.inputs["waveform"]), config) >= least_frames(once.targets["tokens"].tolist())


def test_a_slower_utterance_is_longer_and_lower() -> None:
    example = make_example("a")
    slower = asr.perturb(example, tiny_config("perturbation.speeds=[0.8]"), np.random.default_rng(0))
    assert len(slower.inputs["waveform"]) == pytest.approx(len(example.inputs["waveform"]) / 0.8, abs=2)
    assert _loudest_hz(slower) == pytest.approx(0.8 * _loudest_hz(example), rel=0.01)


def test_noise_has_the_level_asked_for() -> None:
    example = make_example("abc")
    noisy = asr.perturb(
        example, tiny_config("perturbation={speeds: [1.0], noise_db: [20, 20]}"), np.random.default_rng(0)
    )
    sound = example.inputs["waveform"].astype(float)
    noise = noisy.inputs["waveform"] - sound
    assert 10 * math.log10(np.mean(sound**2) / np.mean(noise**2)) == pytest.approx(20.0, abs=0.2)


def test_silence_is_heard_in_the_place_of_so_many_and_asks_for_no_token() -> None:
    config = tiny_config("perturbation={speeds: [1.0], silences: 0.25, silence_db: [-60, -60]}")
    example = make_example("abc")
    heard = [asr.perturb(example, config, np.random.default_rng(seed)) for seed in range(200)]
    silent = [one for one in heard if int(one.targets["num_tokens"]) == 0]
    assert 30 <= len(silent) <= 70
    for one in silent:
        noise = one.inputs["waveform"]
        assert noise.dtype == np.int16
        assert len(noise) == int(one.inputs["num_samples"]) == len(example.inputs["waveform"])
        level = 20 * math.log10(np.std(noise.astype(float)) / 32_768)
        assert level == pytest.approx(-60, abs=0.5)
    for one in heard:
        if int(one.targets["num_tokens"]):
            assert np.array_equal(one.inputs["waveform"], example.inputs["waveform"])


def test_of_silence_any_token_costs(network: asr.AsrNetwork) -> None:
    silent = tiny_config("perturbation.silences=0.999")
    batch = collate([asr.perturb(make_example("ab"), silent, np.random.default_rng(0)), make_example("dacab", 1)])
    log_probs, counts = network(*batch.inputs.values())
    found = asr.losses((log_probs, counts), batch.targets, CONFIG)
    blank = -log_probs[0, : counts[0], 0].mean()
    torch.testing.assert_close(found[0], blank, atol=1e-4, rtol=1e-4)
    alone = collate([make_example("dacab", 1)])
    expected = asr.losses(network(*alone.inputs.values()), alone.targets, CONFIG)[0]
    torch.testing.assert_close(found[1], expected, atol=1e-4, rtol=1e-4)


def test_words_and_characters_are_counted_over_the_whole_set() -> None:
    references = [{"text": "ab cd"}, {"text": "a"}]
    assert asr.measure(references, references, ENCODING) == {"wer": 0.0, "cer": 0.0}
    found = asr.measure(references, [{"text": "ab dd"}, {"text": ""}], ENCODING)
    assert found == {"wer": pytest.approx(2 / 3), "cer": pytest.approx(2 / 6)}
    assert all(math.isnan(value) for value in asr.measure([], [], ENCODING).values())


def test_answers_are_read_up_to_their_own_end() -> None:
    path = [2, 2, 0, 2, 1, 3, 5]
    log_probs = np.log(np.full((2, 7, 6), 1e-6) + np.eye(6)[path]).astype(np.float32)
    outputs = {"log_probs": log_probs, "num_frames": np.array([7, 2])}
    for beam in (None, 1, 4):
        assert [row["text"] for row in asr.decode(outputs, ENCODING, beam=beam)] == ["aa bd", "a"]
    assert asr.decode(outputs, ENCODING)[0]["confidence"] == pytest.approx(1.0, abs=1e-3)


def test_references_have_the_spelling_of_the_answers() -> None:
    assert asr.reference(tone_row("A  Dab, a."), ENCODING) == {"text": "a dab a"}
    assert asr.reference(tone_row(None), ENCODING) is None


def test_the_losses_of_half_precision_are_those_of_full() -> None:
    batch = collate([make_example("ab"), make_example("dacab", 1)])
    torch.manual_seed(0)
    trained = asr.build_network(tiny_config("consistency=0.2"), ENCODING)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = trained(*batch.inputs.values())
        found = asr.losses(outputs, batch.targets, tiny_config("consistency=0.2"))
        halved = asr.losses((outputs[0].bfloat16(), outputs[1]), batch.targets, tiny_config("consistency=0.2"))
    assert outputs[0].dtype == found.dtype == halved.dtype == torch.float32
    torch.testing.assert_close(found, asr.losses(outputs, batch.targets, tiny_config("consistency=0.2")))
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert all(torch.isfinite(parameter.grad).all() for parameter in trained.parameters() if parameter.grad is not None)


def test_a_few_utterances_are_learnt_by_heart() -> None:
    config = tiny_config("epochs=40", "patience=40", "optimiser.learning_rate=1e-2", "batching.audio_seconds=3")
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("abcd"), int(draw.integers(2, 6)))) for _ in range(24)]
    rows = [(tone_row(text), (tone_waveform(text, draw) / 32_768).astype(np.float32)) for text in texts]
    task = get_task("asr")
    encoding = asr.learn_encoding([row for row, _ in rows], config)
    examples = gather_examples(rows, "tones", task, encoding, config)
    with reproducible(config):
        material = Material(task, config, encoding, examples, examples)
        engine = Engine(open_fabric(config), material, store=None, interruption=Interruption(), watcher=Silent())
        engine.run()
    assert engine.progress.best_value("cer") == 0.0


@pytest.mark.slow
def test_the_graph_says_what_torch_says(network: asr.AsrNetwork, tmp_path_factory: pytest.TempPathFactory) -> None:
    from voxloop.training.export import Answering, write_graph

    graph = tmp_path_factory.mktemp("graph") / "model.onnx"
    model = Answering(network, get_task("asr")).eval()
    golden = list(asr.golden_inputs(ENCODING, [0.3, 1.0, 2.5]))
    write_graph(model, asr.request(ENCODING), golden, graph, opset=18)
    lengths = [*golden, *asr.golden_inputs(ENCODING, [0.02, 4.1])]
    report, answers = check_parity(model, graph, lengths, tolerance=1e-4)
    assert report["largest"] <= 1e-4
    assert [answer["log_probs"].shape[1] for answer in answers] == sorted(
        answer["log_probs"].shape[1] for answer in answers[:3]
    ) + [answer["log_probs"].shape[1] for answer in answers[3:]]
    for answer, request in zip(answers, lengths, strict=True):
        assert int(answer["num_frames"]) == asr.count_outputs(len(request["waveform"]), CONFIG)


@pytest.mark.parametrize(("size", "least", "most"), [("smoke", 1e4, 2e5), ("small", 6e5, 2e6), ("base", 3e7, 1.2e8)])
def test_the_sizes_are_what_they_are_named(size: str, least: float, most: float) -> None:
    config = load_config(asr.AsrConfig, find_config("tasks", "asr", size))
    assert config.network is not None
    with torch.device("meta"):
        built = Conformer(config.network, config.log_mel.mels, 1 + (config.symbols.pieces or 30))
    assert least <= sum(parameter.numel() for parameter in built.parameters()) <= most


@pytest.mark.parametrize(
    ("size", "a_second"),
    # Pieces of English come to 4 a second, its characters to 15; the fastest voices of the speaker world say 36.
    [("smoke", 36.0), ("small", 24.0), ("base", 12.0)],
)
def test_frames_are_faster_than_symbols(size: str, a_second: float) -> None:
    config = load_config(asr.AsrConfig, find_config("tasks", "asr", size))
    assert asr.count_outputs(10 * 16_000, config) >= 10 * a_second
    assert (config.symbols.kind == "sentencepiece") == (a_second < 20.0)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("width", 30, "a multiple of twice the heads"), ("kernel", 4, "must be odd"), ("channels", (), "at least 1 item")],
)
def test_shapes_that_do_not_fit_are_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SHAPE.model_validate({**SHAPE.model_dump(), "heads": 4, key: value})


def _loudest_hz(example: Example) -> float:
    waveform = example.inputs["waveform"]
    return float(np.abs(np.fft.rfft(waveform)).argmax() * 16_000 / len(waveform))
