"""How a graph is exported and proved, readable without torch: a reused export must not wait for its import."""

from __future__ import annotations

from pydantic import Field

from voxloop.config import StrictModel


class ExportConfig(StrictModel):
    """How a graph is exported and proved; `configs/export.yaml`."""

    opset: int = Field(ge=18)
    tolerance: float = Field(gt=0.0)
    """Largest difference of a probability, or of another output, between torch and ONNX Runtime, and between padded and
    alone."""
    frame_tolerance: float = Field(gt=0.0)
    """The same of a recogniser's probabilities of single frames, which are steep: rounding of 5e-5 in a spectrogram
    moved one by 2.5e-4."""
    seconds: tuple[float, ...] = Field(min_length=2)
    """Lengths of the golden waveforms."""
