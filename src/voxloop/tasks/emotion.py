"""Speech emotion: one of a few labels for one utterance of one speaker, and arousal and valence where asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from voxloop.config import StrictModel
from voxloop.errors import CorpusError
from voxloop.speech.augmentation import vary_waveform
from voxloop.speech.golden import golden_waveform
from voxloop.speech.log_mel import LogMelConfig
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.tasks import Answer, Example, Objective, Request, Row, TensorSpec
from voxloop.tasks.agreement import ccc
from voxloop.tasks.backbone import BackboneRecipe
from voxloop.tasks.calibration import expected_calibration_error, fit_temperature, negative_log_likelihood
from voxloop.tasks.emotion_network import Dimensions as Dimensions  # noqa: PLC0414 - also a name of this family
from voxloop.tasks.emotion_network import EmotionEnds as EmotionEnds  # noqa: PLC0414 - also a name of this family
from voxloop.tasks.emotion_network import EmotionNetwork as EmotionNetwork  # noqa: PLC0414 - also a name of this family
from voxloop.tasks.emotion_network import NetworkConfig as NetworkConfig  # noqa: PLC0414 - also a name of this family
from voxloop.tasks.pretrained import PretrainedEmotion

NAME = "emotion"
AUDIO = True
FEATURES = None
ANSWERS_ARE_LABELS = True
OBJECTIVE = Objective("uar", "max")
LABELS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")
"""The labels of a configuration that names no others."""
DIMENSIONS = ("arousal", "valence")
"""Features of a row, on whatever scale its corpus has."""


class EmotionConfig(BackboneRecipe):
    """Everything a training of this family depends on beside its data."""

    labels: tuple[str, ...] = LABELS
    log_mel: LogMelConfig = LogMelConfig()
    network: NetworkConfig
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of a label that is spread evenly over all (C. Szegedy et al., CVPR 2016)."""
    dimensions: bool = False
    """Learn arousal and valence too, from the rows that have them."""
    dimension_weight: float = Field(default=1.0, ge=0.0)
    """Of their squared error, in standard deviations, against the cross-entropy of the label."""

    @model_validator(mode="after")
    def _one_encoder(self) -> Self:
        if bool(self.network.channels) == (self.backbone is not None):
            raise ValueError("frames come from network.channels or from a backbone: from one of them")
        return self


class EmotionEncoding(StrictModel):
    """The labels, in the order of the probabilities, and the weight of each in the loss."""

    labels: tuple[str, ...]
    weights: tuple[float, ...]
    dimensions: Dimensions | None = None
    """The scale of arousal and valence; None for a model of labels alone."""


Config = EmotionConfig
Encoding = EmotionEncoding


def learn_encoding(rows: Sequence[Row], config: EmotionConfig) -> EmotionEncoding:
    """Weights in proportion to 1 / count, their mean over the utterances 1; a label that never occurs gets 0.

    Raises:
        CorpusError: Arousal and valence are asked for, and of one of them there is no value.
    """
    counts = np.array([sum(row["emotion"] == label for row in rows) for label in config.labels])
    present = counts > 0
    weights = counts.sum() / (max(1, present.sum()) * np.maximum(counts, 1)) * present
    return EmotionEncoding(labels=config.labels, weights=tuple(weights.tolist()), dimensions=_scale(rows, config))


def _scale(rows: Sequence[Row], config: EmotionConfig) -> Dimensions | None:
    if not config.dimensions:
        return None
    values = np.array([_dimensions(row) for row in rows if row["emotion"] is not None]).reshape(-1, len(DIMENSIONS))
    known = [column[np.isfinite(column)] for column in values.T]
    if absent := [name for name, column in zip(DIMENSIONS, known, strict=True) if not len(column)]:
        raise CorpusError(
            f"no training row has {' or '.join(absent)}",
            rule="dimensions: true learns both from the rows' features",
            remedy="name a table of features that has them, or leave dimensions off",
        )
    means, spreads = ([float(moment(column)) for column in known] for moment in (np.mean, np.std))
    return Dimensions(means=(means[0], means[1]), spreads=(spreads[0] or 1.0, spreads[1] or 1.0))


def _dimensions(row: Row) -> list[float]:
    """Arousal and valence of a row, NaN where it has none."""
    values = [row.get("features", {}).get(name) for name in DIMENSIONS]
    return [float("nan") if value is None else float(value) for value in values]


def request(encoding: EmotionEncoding) -> Request:
    """Return what is asked of a model: sound in, a probability for each label out, arousal and valence where asked."""
    dimensions = (TensorSpec("dimensions", "float32", ("batch", len(DIMENSIONS))),)
    return Request(
        inputs=(
            TensorSpec("waveform", "float32", ("batch", "samples")),
            TensorSpec("num_samples", "int64", ("batch",)),
        ),
        outputs=(
            TensorSpec("probabilities", "float32", ("batch", len(encoding.labels))),
            *(dimensions if encoding.dimensions else ()),
        ),
    )


def make_request(
    _row: Row, waveform: npt.NDArray[np.int16] | None, _encoding: EmotionEncoding
) -> dict[str, npt.NDArray[Any]]:
    """Return the sound and its length; of a row without a sound nothing can be asked."""
    assert waveform is not None  # noqa: S101 - rows are read with their sound
    return {"waveform": waveform, "num_samples": np.array(len(waveform))}


def encode(
    row: Row, waveform: npt.NDArray[np.int16] | None, encoding: EmotionEncoding, _config: EmotionConfig
) -> Example | None:
    """Return the sound, the number of the label, and arousal and valence with their spreads, NaN where unknown.

    Raises:
        CorpusError: The label is not one of the encoding's.
    """
    if row["emotion"] is None or waveform is None:
        return None
    if row["emotion"] not in encoding.labels:
        raise CorpusError(
            f"{row['utterance_id']} is labelled {row['emotion']!r}",
            rule=f"the labels of emotion are {', '.join(encoding.labels)}",
            remedy="map the label when the corpus is ingested, leave it null, or name it in the configuration's labels",
        )
    label = encoding.labels.index(row["emotion"])
    targets = {"label": np.array(label)}
    if encoding.dimensions:
        targets["dimensions"] = np.array(_dimensions(row), dtype=np.float32)
        targets["spreads"] = np.array(encoding.dimensions.spreads, dtype=np.float32)
    return Example(
        inputs=make_request(row, waveform, encoding),
        targets=targets,
        weight=encoding.weights[label],
        seconds=len(waveform) / SAMPLE_RATE,
    )


def perturb(example: Example, config: EmotionConfig, draw: np.random.Generator) -> Example:
    """Change the sound as `augmentation` says; its spectrogram is changed inside the network."""
    varied = vary_waveform(example.inputs["waveform"], config.augmentation, draw)
    return replace(example, inputs={"waveform": varied, "num_samples": np.array(len(varied))})


def build_network(config: EmotionConfig, encoding: EmotionEncoding) -> EmotionEnds:
    """Return a freshly initialised network, a backbone too; torch's generator decides its weights."""
    labels, augmentation = len(encoding.labels), config.augmentation
    if config.backbone is not None:
        shape = config.backbone.architecture
        return PretrainedEmotion(shape, config.network, augmentation, labels, encoding.dimensions)
    return EmotionNetwork(config.log_mel, config.network, augmentation, labels, encoding.dimensions)


def rate_scale(parameter: str, config: EmotionConfig) -> float:
    """Every parameter learns at the one rate, but for those of a backbone."""
    return 1.0 if config.backbone is None else config.backbone.rate_of(parameter)


def losses(outputs: Tensor | tuple[Tensor, Tensor], targets: Mapping[str, Tensor], config: EmotionConfig) -> Tensor:
    """Cross-entropy of the label, and the mean squared error of the dimensions known: float32 [batch].

    Args:
        outputs: Logits [batch, labels], or these and arousal and valence [batch, 2].
        targets: `label` int64 [batch]; with dimensions also `dimensions` and `spreads` float32 [batch, 2].
        config: Smoothing and weight.
    """
    logits, values = _parts(outputs)
    smoothing = config.label_smoothing
    loss = functional.cross_entropy(logits.float(), targets["label"], reduction="none", label_smoothing=smoothing)
    if values is None:
        return loss
    known = targets["dimensions"].isfinite()
    errors = torch.where(known, values.float() - targets["dimensions"], 0.0) / targets["spreads"]
    return loss + config.dimension_weight * errors.square().sum(dim=1) / known.sum(dim=1).clamp(min=1)


def answer(outputs: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Probabilities float32 [batch, labels] of logits [batch, labels], with arousal and valence [batch, 2] behind."""
    logits, values = _parts(outputs)
    probabilities = logits.softmax(dim=1)
    return (probabilities,) if values is None else (probabilities, values)


def _parts(outputs: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
    return (outputs, None) if isinstance(outputs, Tensor) else (outputs[0], outputs[1])


def calibrate(network: nn.Module, dev: Iterable[tuple[Any, Mapping[str, Tensor]]]) -> dict[str, float]:
    """Set the network's temperature to what makes dev likeliest; the likeliest label of an utterance stays.

    Args:
        network: An `EmotionNetwork`, its temperature in what `dev` gives already.
        dev: Outputs and targets, a batch each.

    Returns:
        The temperature, and on dev the negative log-likelihood (`nll_…`, nats) and the expected calibration error
        (`ece_…`) before and after.
    """
    found = [(_parts(outputs)[0].float().cpu(), targets["label"].cpu()) for outputs, targets in dev]
    logits, labels = (torch.cat(parts) for parts in zip(*found, strict=True))
    factor = fit_temperature(logits, labels)
    temperature = network.get_buffer("temperature")
    temperature.mul_(factor)
    cooled = logits / factor
    return {
        "temperature": float(temperature),
        "nll_before": negative_log_likelihood(logits, labels),
        "nll_after": negative_log_likelihood(cooled, labels),
        "ece_before": expected_calibration_error(logits.softmax(dim=1), labels),
        "ece_after": expected_calibration_error(cooled.softmax(dim=1), labels),
    }


def decode(outputs: Mapping[str, npt.NDArray[Any]], encoding: EmotionEncoding) -> list[Answer]:
    """Return the likeliest label of each row and the probability of each; arousal and valence where there are any.

    Args:
        outputs: `probabilities` [n, labels], perhaps `dimensions` [n, 2].
        encoding: The labels.
    """
    rows = np.atleast_2d(np.asarray(outputs["probabilities"]))
    answers: list[Answer] = [
        {
            "emotion": encoding.labels[int(row.argmax())],
            "probabilities": dict(zip(encoding.labels, row.tolist(), strict=True)),
        }
        for row in rows
    ]
    if "dimensions" in outputs:
        for found, values in zip(answers, np.atleast_2d(np.asarray(outputs["dimensions"])), strict=True):
            found.update(zip(DIMENSIONS, values.tolist(), strict=True))
    return answers


def reference(row: Row, encoding: EmotionEncoding) -> Answer | None:
    """Return the label of a row, and those of arousal and valence that it has where the encoding knows them."""
    if row["emotion"] is None:
        return None
    values = zip(DIMENSIONS, _dimensions(row), strict=True) if encoding.dimensions else ()
    return {"emotion": row["emotion"], **{name: value for name, value in values if np.isfinite(value)}}


def measure(references: Sequence[Answer], answers: Sequence[Answer], encoding: EmotionEncoding) -> dict[str, float]:
    """Return UAR, weighted accuracy and macro F1; with dimensions also `ccc_…` of each, over the rows that have it."""
    wanted = [str(row["emotion"]) for row in references]
    found = [str(row["emotion"]) for row in answers]
    labels = encoding.labels
    measures = {
        "uar": uar(wanted, found, labels),
        "wa": wa(wanted, found, labels),
        "macro_f1": macro_f1(wanted, found, labels),
    }
    names = DIMENSIONS if encoding.dimensions else ()
    return measures | {f"ccc_{name}": _ccc_of(name, references, answers) for name in names}


def _ccc_of(name: str, references: Sequence[Answer], answers: Sequence[Answer]) -> float:
    pairs = [(wanted[name], found[name]) for wanted, found in zip(references, answers, strict=True) if name in wanted]
    both = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return ccc(both[:, 0], both[:, 1])


def golden_inputs(_encoding: EmotionEncoding, seconds: Sequence[float]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Give a voice-like sound of each length."""
    for index, duration in enumerate(seconds):
        waveform = golden_waveform(duration, index)
        yield {"waveform": waveform, "num_samples": np.array(len(waveform))}


def uar(reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    """Unweighted average recall: the mean, over the labels in `reference`, of the share of each found again.

    B. Schuller, S. Steidl, A. Batliner, "The INTERSPEECH 2009 emotion challenge", Interspeech 2009. NaN for nothing.
    """
    hits, asked, _ = _counts(reference, predicted, labels)
    return float((hits[asked > 0] / asked[asked > 0]).mean()) if asked.any() else float("nan")


def wa(reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    """Weighted accuracy: the share of utterances given their own label (same source). NaN for nothing."""
    hits, asked, _ = _counts(reference, predicted, labels)
    return float(hits.sum() / asked.sum()) if asked.any() else float("nan")


def macro_f1(reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str] = LABELS) -> float:
    """Mean F1 of the labels that occur in `reference` or `predicted`. NaN for nothing.

    J. Opitz, S. Burst, "Macro F1 and macro F1", arXiv:1911.03347 (the averaged F1, not the F1 of averages).
    """
    hits, asked, given = _counts(reference, predicted, labels)
    seen = asked + given > 0
    return float((2.0 * hits[seen] / (asked + given)[seen]).mean()) if seen.any() else float("nan")


def _counts(
    reference: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hits, references and predictions of each label, int64 [labels]; other words in `predicted` are misses."""
    pairs = list(zip(reference, predicted, strict=True))
    hits = [sum(wanted == label == found for wanted, found in pairs) for label in labels]
    asked = [sum(wanted == label for wanted, _ in pairs) for label in labels]
    given = [sum(found == label for _, found in pairs) for label in labels]
    return np.array(hits), np.array(asked), np.array(given)
