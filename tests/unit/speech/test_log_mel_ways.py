"""The two ways to a log-mel spectrogram agree, in whatever precision and pieces, and the exported one is plain ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from voxloop.speech import log_mel
from voxloop.speech.log_mel import LogMel, LogMelConfig, group_bins, mel_filterbank

CONFIGS = {
    "whole": LogMelConfig(),
    "broken": LogMelConfig(window=400, hop=160, fft=512, mels=64),
    "few": LogMelConfig(mels=2, centre="channel"),
    "narrow": LogMelConfig(range_db=6.0),
}
LENGTHS = torch.tensor([20_000, 7_001, 300, 16_000])


def sounds() -> torch.Tensor:
    return 0.1 * torch.randn(len(LENGTHS), int(LENGTHS.max()), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_transform_and_convolution_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = LogMel(CONFIGS[name])
    transformed, counts = module(sounds(), LENGTHS)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    convolved, same_counts = module(sounds(), LENGTHS)
    assert transformed.shape == convolved.shape
    assert torch.equal(counts, same_counts)
    torch.testing.assert_close(transformed, convolved, atol=1e-4, rtol=0)


@pytest.mark.parametrize("frames", [1, 100, 1_000_000])
def test_pieces_do_not_show(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = LogMel(CONFIGS["whole"])
    monkeypatch.setattr(log_mel, "PIECE_FRAMES", frames)
    pieces, _ = module(sounds(), LENGTHS)
    monkeypatch.setattr(log_mel, "PIECE_FRAMES", 60)
    others, _ = module(sounds(), LENGTHS)
    torch.testing.assert_close(pieces, others, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_precision_around_it_changes_nothing(precision: torch.dtype) -> None:
    module = LogMel(CONFIGS["whole"])
    alone, _ = module(sounds(), LENGTHS)
    with torch.autocast("cpu", dtype=precision):
        inside, _ = module(sounds(), LENGTHS)
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == precision
    assert inside.dtype == torch.float32
    assert torch.equal(alone, inside)


def test_half_a_waveform_is_taken_in_full_precision() -> None:
    found, _ = LogMel(CONFIGS["whole"])(sounds().bfloat16(), LENGTHS)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_groups_leave_no_filter_out(name: str) -> None:
    filters = mel_filterbank(CONFIGS[name])
    groups = filters.tensor_split(log_mel.FILTER_GROUPS)
    for group, bins in zip(groups, group_bins(filters), strict=True):
        assert group.count_nonzero() == group[:, bins].count_nonzero()


def test_a_gradient_reaches_the_waveform() -> None:
    waveform = sounds().requires_grad_()
    LogMel(CONFIGS["whole"])(waveform, LENGTHS)[0].square().sum().backward()
    assert waveform.grad is not None
    assert waveform.grad[0].any()
    assert not waveform.grad[1, 7_001:].any()


def test_the_exported_graph_has_plain_operators_and_says_the_same(tmp_path: Path) -> None:
    module = LogMel(CONFIGS["whole"]).eval()
    axes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("samples", min=1)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, of what it will change
        torch.onnx.export(
            module,
            (sounds()[:2], LENGTHS[:2]),
            tmp_path / "mel.onnx",
            input_names=["waveform", "num_samples"],
            dynamo=True,
            external_data=False,
            verbose=False,
            dynamic_shapes=(axes, {0: axes[0]}),
        )
    operators = {node.op_type for node in onnx.load(tmp_path / "mel.onnx").graph.node}
    assert "Conv" in operators
    assert not operators & {"STFT", "DFT"}
    session = onnxruntime.InferenceSession(tmp_path / "mel.onnx", providers=["CPUExecutionProvider"])
    answered = session.run(None, {"waveform": sounds().numpy(), "num_samples": LENGTHS.numpy()})
    expected, counts = module(sounds(), LENGTHS)
    np.testing.assert_allclose(answered[0], expected.numpy(), atol=1e-4)
    assert np.array_equal(answered[1], counts.numpy())
