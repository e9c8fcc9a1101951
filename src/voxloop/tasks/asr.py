"""Speech recognition: CTC over a FastConformer, characters or pieces of words.

The loss of an utterance is its negative log-likelihood a token, and its weight is its number of tokens: every token of
a step counts the same, whatever the lengths of the transcripts and however the step was spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import soxr
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from voxloop.config import StrictModel
from voxloop.errors import CorpusError
from voxloop.speech.augmentation import Augmentation
from voxloop.speech.golden import golden_waveform
from voxloop.speech.log_mel import LogMel, LogMelConfig
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks import Answer, Example, Objective, Request, Row, TensorSpec
from voxloop.tasks.backbone import BackboneConfig, BackboneRecipe
from voxloop.tasks.conformer import Conformer, ConformerConfig
from voxloop.tasks.ctc import ctc_losses, decode_greedily, disagreements, least_frames, search_prefixes
from voxloop.tasks.pretrained import PretrainedRecogniser
from voxloop.tasks.transcripts import AsrEncoding, SymbolsConfig, learn_symbols, spell, to_text, to_tokens

NAME = "asr"
AUDIO = True
FEATURES = None
ANSWERS_ARE_LABELS = False
# A small set's words are few, and an epoch that gets more characters right is on its way to more words.
OBJECTIVE = Objective("cer", "min")


class PerturbationConfig(StrictModel):
    """Changes of the sound in training, drawn anew for every utterance and epoch."""

    speeds: tuple[float, ...] = Field(default=(0.9, 1.0, 1.1), min_length=1)
    """One is drawn: faster is also higher (T. Ko et al., "Audio augmentation for speech recognition", Interspeech
    2015)."""
    noise_db: tuple[float, float] | None = None
    """Between which signal-to-noise ratios white noise is added, in dB; None adds none."""
    silences: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of utterances in whose place a recorder's own noise is heard, of which nothing is to be written: CTC alone
    never hears a sound without words, and writes some of it (docs/LOG.md)."""
    silence_db: tuple[float, float] = (-90.0, -50.0)
    """Between which levels that noise lies, dB beside full scale; below -90 it is no more than zeros."""


class AsrConfig(BackboneRecipe):
    """Everything a training of this family depends on beside its data."""

    symbols: SymbolsConfig = SymbolsConfig()
    log_mel: LogMelConfig = LogMelConfig(window=400, hop=160, fft=512, mels=80, centre="channel")
    network: ConformerConfig | None = None
    """The encoder of spectrograms; left out under a backbone, which stands in its place."""
    perturbation: PerturbationConfig = PerturbationConfig()
    consistency: float = Field(default=0.0, ge=0.0)
    """Weight of CR-CTC's disagreement of two augmented views, 0.2 in its paper; 0 takes one view, half the work."""
    beam: int = Field(default=1, ge=1)
    """Prefixes kept in decoding; 1 takes the likeliest path."""

    @model_validator(mode="after")
    def _one_encoder(self) -> Self:
        if (self.network is None) == (self.backbone is None):
            raise ValueError("frames come from network or from a backbone: from one of them")
        return self


Config = AsrConfig
Encoding = AsrEncoding


def learn_encoding(rows: Sequence[Row], config: AsrConfig) -> AsrEncoding:
    """Return the symbols of the training transcripts.

    Raises:
        CorpusError: No row has a transcript.
    """
    return learn_symbols(rows, config.symbols, config.beam)


def request(encoding: AsrEncoding) -> Request:
    """Return what is asked of a model: sound in, log-probabilities of the symbols of each frame out."""
    return Request(
        inputs=(
            TensorSpec("waveform", "float32", ("batch", "samples")),
            TensorSpec("num_samples", "int64", ("batch",)),
        ),
        outputs=(
            TensorSpec("log_probs", "float32", ("batch", "frames", len(encoding.symbols))),
            TensorSpec("num_frames", "int64", ("batch",)),
        ),
    )


def make_request(
    _row: Row, waveform: npt.NDArray[np.int16] | None, _encoding: AsrEncoding
) -> dict[str, npt.NDArray[Any]]:
    """Return the sound and its length; of a row without a sound nothing can be asked."""
    assert waveform is not None  # noqa: S101 - rows are read with their sound
    return {"waveform": waveform, "num_samples": np.array(len(waveform))}


def encode(
    row: Row, waveform: npt.NDArray[np.int16] | None, encoding: AsrEncoding, config: AsrConfig
) -> Example | None:
    """Return the sound and the tokens of the transcript.

    Raises:
        CorpusError: The transcript is empty or has an unknown character, or the sound is too short for the network
            or for the transcript.
    """
    if row["text"] is None or waveform is None:
        return None
    tokens = to_tokens(row, encoding)
    _check_length(row, len(waveform), least_frames(tokens), config)
    return Example(
        inputs=make_request(row, waveform, encoding),
        targets={"tokens": np.array(tokens), "num_tokens": np.array(len(tokens))},
        weight=float(len(tokens)),
        seconds=len(waveform) / SAMPLE_RATE,
    )


def perturb(example: Example, config: AsrConfig, draw: np.random.Generator) -> Example:
    """Return the utterance at another speed, with noise; at its own speed where the transcript would not fit.

    Of a few there is only a recorder's noise: as long, and without a token.
    """
    waveform = example.inputs["waveform"]
    if config.perturbation.silences > 0 and draw.random() < config.perturbation.silences:
        heard = _make_noise(len(waveform), draw.uniform(*config.perturbation.silence_db), draw)
        silent = {**example.targets, "num_tokens": np.array(0)}
        return replace(example, inputs={**example.inputs, "waveform": heard}, targets=silent)
    speed = float(draw.choice(config.perturbation.speeds))
    if speed != 1.0:
        # In float32: of int16 two calls gave two answers once, in a test, and an epoch must be the same twice.
        faster = _to_samples(soxr.resample(waveform.astype(np.float32), SAMPLE_RATE * speed, SAMPLE_RATE))
        if count_outputs(len(faster), config) >= least_frames(example.targets["tokens"].tolist()):
            waveform = faster
    if config.perturbation.noise_db is not None:
        waveform = _add_noise(waveform, draw.uniform(*config.perturbation.noise_db), draw)
    return replace(example, inputs={"waveform": waveform, "num_samples": np.array(len(waveform))})


class AsrNetwork(nn.Module):
    """Waveform to log-probabilities; the log-mel spectrogram is inside."""

    def __init__(self, config: AsrConfig, shape: ConformerConfig, symbols: int) -> None:
        super().__init__()
        self.views = 2 if config.consistency > 0 else 1
        self.log_mel = LogMel(config.log_mel)
        self.augmentation = Augmentation(config.augmentation)
        self.encoder = Conformer(shape, config.log_mel.mels, symbols)

    def forward(self, waveform: Tensor, num_samples: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of a padded batch.

        Args:
            waveform: float32 [batch, samples].
            num_samples: int64 [batch].

        Returns:
            float32 [batch, frames, symbols] and the frames of each row, int64 [batch]. With two views in training
            there are twice as many rows: all of the first view, then all of the second.
        """
        with _full_precision(waveform.device.type):
            spectrogram, counts = self.log_mel(waveform, num_samples)
        if self.training:
            spectrogram, counts = spectrogram.repeat(self.views, 1, 1), counts.repeat(self.views)
            spectrogram = self.augmentation(spectrogram, counts)
        logits, counts = self.encoder(spectrogram, counts)
        return logits.float().log_softmax(dim=2), counts


def build_network(config: AsrConfig, encoding: AsrEncoding) -> AsrNetwork | PretrainedRecogniser:
    """Return a freshly initialised network, a backbone too; torch's generator decides its weights."""
    if config.network is not None:
        return AsrNetwork(config, config.network, len(encoding.symbols))
    views = 2 if config.consistency > 0 else 1
    return PretrainedRecogniser(_backbone(config).architecture, config.augmentation, len(encoding.symbols), views)


def rate_scale(parameter: str, config: AsrConfig) -> float:
    """Every parameter learns at the one rate, but for those of a backbone."""
    return 1.0 if config.backbone is None else config.backbone.rate_of(parameter)


def losses(outputs: tuple[Tensor, Tensor], targets: Mapping[str, Tensor], config: AsrConfig) -> Tensor:
    """CTC loss a token, float32 [batch]; of two views their mean, and their disagreement by its weight.

    Where there is no token it is the loss a frame: by its size a token's, whatever the length.
    """
    log_probs, num_frames = outputs
    tokens, num_tokens = targets["tokens"], targets["num_tokens"]
    batch, views = len(tokens), len(log_probs) // len(tokens)
    found = ctc_losses(log_probs, num_frames, tokens.repeat(views, 1), num_tokens.repeat(views))
    total = found.view(views, batch).mean(dim=0)
    if views == 2:
        total = total + config.consistency * disagreements(log_probs[:batch], log_probs[batch:], num_frames[:batch])
    return total / torch.where(num_tokens > 0, num_tokens, num_frames[:batch])


def answer(outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return log-probabilities and counts as they are."""
    return outputs


def calibrate(_network: nn.Module, _dev: Iterable[tuple[Any, Mapping[str, Tensor]]]) -> dict[str, float]:
    """Fit nothing."""
    return {}


def decode(outputs: Mapping[str, npt.NDArray[Any]], encoding: AsrEncoding, *, beam: int | None = None) -> list[Answer]:
    """Return the text of each row, and how sure the network was.

    Args:
        outputs: `log_probs` [n, frames, symbols] and `num_frames` [n].
        encoding: The symbols.
        beam: Prefixes kept; 1 takes the likeliest path, None what the encoding says.

    Returns:
        For each row `text`, and `confidence`: the geometric mean over frames of the likeliest symbol's probability.
    """
    width = encoding.beam if beam is None else beam
    rows = zip(outputs["log_probs"], outputs["num_frames"], strict=True)
    return [_read(np.asarray(row)[: int(count)], encoding, width) for row, count in rows]


def reference(row: Row, encoding: AsrEncoding) -> Answer | None:
    """Return the transcript of a row in the encoding's spelling."""
    if row["text"] is None:
        return None
    return {"text": spell(row["text"], row["language"], encoding.unspoken)}


def measure(references: Sequence[Answer], answers: Sequence[Answer], _encoding: AsrEncoding) -> dict[str, float]:
    """Return word and character error rates over the whole set: errors of all rows over words or characters of all."""
    import jiwer

    wanted, found = [str(row["text"]) for row in references], [str(row["text"]) for row in answers]
    if not any(wanted):
        return {"wer": float("nan"), "cer": float("nan")}
    return {"wer": float(jiwer.wer(wanted, found)), "cer": float(jiwer.cer(wanted, found))}


def golden_inputs(_encoding: AsrEncoding, seconds: Sequence[float]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Give a voice-like sound of each length."""
    for index, duration in enumerate(seconds):
        waveform = golden_waveform(duration, index)
        yield {"waveform": waveform, "num_samples": np.array(len(waveform))}


def count_outputs(num_samples: int, config: AsrConfig) -> int:
    """Return how many frames of log-probabilities so many samples give."""
    if config.network is None:
        return _backbone(config).architecture.count_frames(num_samples)
    frames = max(1, (num_samples - config.log_mel.window) // config.log_mel.hop + 1)
    return config.network.count_outputs(frames)


def receptive_field(config: AsrConfig) -> int:
    """Return how many samples the network looks at, at least, for one frame: what comes before its first layer."""
    if config.network is None:
        return _backbone(config).architecture.receptive_field
    return config.log_mel.window + (config.network.receptive_frames - 1) * config.log_mel.hop


def _backbone(config: AsrConfig) -> BackboneConfig:
    assert config.backbone is not None  # noqa: S101 - the configuration has one encoder
    return config.backbone


def _check_length(row: Row, num_samples: int, needed: int, config: AsrConfig) -> None:
    seconds = f"{row['utterance_id']} has {num_samples / SAMPLE_RATE:.3f} s"
    if num_samples < (field := receptive_field(config)):
        raise CorpusError(
            f"{seconds} of sound",
            rule=f"the network looks at {field / SAMPLE_RATE:.3f} s at once",
            remedy="leave shorter utterances out with audio.min_seconds when the corpus is ingested",
        )
    if (given := count_outputs(num_samples, config)) < needed:
        raise CorpusError(
            f"{seconds}, which is {given} frames, for the transcript {row['text']!r}",
            rule=f"its tokens, and a blank between two that are the same, take {needed} frames",
            remedy="look whether they belong together, write pieces of words (symbols.kind), or shorten "
            "network.channels: each of them doubles a frame",
        )


def _add_noise(waveform: npt.NDArray[np.int16], ratio_db: float, draw: np.random.Generator) -> npt.NDArray[np.int16]:
    level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) * 10.0 ** (-ratio_db / 20.0)
    return _to_samples(waveform + draw.standard_normal(len(waveform), dtype=np.float32) * np.float32(level))


def _make_noise(num_samples: int, level_db: float, draw: np.random.Generator) -> npt.NDArray[np.int16]:
    level = np.float32(-np.iinfo(np.int16).min * 10.0 ** (level_db / 20.0))
    return _to_samples(draw.standard_normal(num_samples, dtype=np.float32) * level)


def _to_samples(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int16]:
    limits = np.iinfo(np.int16)
    samples: npt.NDArray[np.int16] = np.clip(np.rint(values), limits.min, limits.max).astype(np.int16)
    return samples


def _full_precision(device: str) -> Any:
    """Powers of a spectrum span more than bfloat16 can tell apart."""
    # Only where there is autocast to leave: the exporter knows no such block.
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _read(log_probs: npt.NDArray[np.float32], encoding: AsrEncoding, beam: int) -> Answer:
    tokens = decode_greedily(log_probs) if beam == 1 else search_prefixes(log_probs, beam)
    return {"text": to_text(tokens, encoding), "confidence": float(np.exp(log_probs.max(axis=1).mean()))}
