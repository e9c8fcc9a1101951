"""What an audit for poison is told: the files of `configs/poison`, of two kinds by their `compare_with`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from voxloop.config import StrictModel, load_config
from voxloop.data.group_test import NullConfig


class OutlierConfig(StrictModel):
    """How a sound is found to lie apart: by its distance from its neighbours, as a robust z of the logarithm.

    Args:
        neighbour_share: Neighbours asked, as a share of the rows: a nest of junk smaller than it
            cannot vouch for itself.
        reference_rows: Rows among which neighbours are looked for.
        limit: The robust z from which a sound is suspicious.
    """

    neighbour_share: float = Field(gt=0, lt=1)
    reference_rows: int = Field(ge=100)
    limit: float = Field(gt=0)


class PoisonConfig(StrictModel):
    """One file of `configs/poison` that holds speakers and sources against the others.

    Args:
        version: Counts the changes of the file.
        compare_with: `others`.
        label_column: Column of class labels; None for a task without.
        value_columns: Columns of numbers, one truth a speaker.
        transcripts: Whether `text` is what the model learns.
        minimum_rows: Fewest rows that can be judged.
        minimum_speakers: Fewest speakers: the rest is what one of them is held against.
        minimum_group_rows: Groups with fewer rows are not judged alone.
        folds: Parts the speakers are dealt into for predictions out of sample.
        alpha: Probability of a false alarm of one kind among all speakers, and among all sources.
        maximum_suspicious: Share of suspicious labels from which nobody can tell the labels from the classifier.
        label: Null of suspicious labels in a group.
        relabelled: Null of one label that seems to hide under another in a group that lacks it.
        sound: Null of outlying sounds in a group.
        transcript: Null of texts that do not fit their duration in a group.
        outlier: When a sound lies apart.
        pace_limit: Robust z of the logarithm of characters a second from which a transcript is suspicious.
        value_limit: Robust z of a residual from which a number is suspicious.
        source_shift: Standard deviations of the residual by which a source must differ from the rest to matter.
        listed: Most suspicious utterances that the report names.
    """

    version: int = Field(ge=1)
    compare_with: Literal["others"] = "others"
    label_column: str | None
    value_columns: tuple[str, ...]
    transcripts: bool
    minimum_rows: int = Field(ge=1)
    minimum_speakers: int = Field(ge=3)
    minimum_group_rows: int = Field(ge=1)
    folds: int = Field(ge=2)
    alpha: float = Field(gt=0, lt=1)
    maximum_suspicious: float = Field(gt=0, le=1)
    label: NullConfig
    relabelled: NullConfig
    sound: NullConfig
    transcript: NullConfig
    outlier: OutlierConfig
    pace_limit: float = Field(gt=0)
    value_limit: float = Field(gt=0)
    source_shift: float = Field(ge=0)
    listed: int = Field(ge=0)


class OwnConfig(StrictModel):
    """One file of `configs/poison` that holds every speaker against that speaker's own other utterances.

    For corpora of a few speakers with many utterances each. A speaker whose labels are turned as one, such as all
    anger called fear, agrees with the own other utterances and is not found.

    Args:
        version: Counts the changes of the file.
        compare_with: `own`.
        label_column: Column of class labels.
        minimum_speaker_rows: Fewest rows, with a sound and a label, of every speaker.
        folds: Parts a speaker's rows are dealt into, stratified by label, for predictions out of sample.
        contradicted_below: Out-of-sample probability of the given label under which the sound contradicts it.
        maximum_contradicted: Largest share of contradicted labels that a speaker may have.
        maximum_mistaken: Share of labels predicted wrongly from which nobody can tell the labels from the classifier.
        maximum_outlying: Largest share of outlying sounds that a speaker may have.
        outlier: When a sound lies apart from the same speaker's others.
        listed: Most suspicious utterances that the report names.
    """

    version: int = Field(ge=1)
    compare_with: Literal["own"]
    label_column: str
    minimum_speaker_rows: int = Field(ge=60)
    folds: int = Field(ge=2)
    contradicted_below: float = Field(gt=0, lt=0.5)
    maximum_contradicted: float = Field(gt=0, lt=0.5)
    maximum_mistaken: float = Field(gt=0, lt=1)
    maximum_outlying: float = Field(gt=0, lt=0.5)
    outlier: OutlierConfig
    listed: int = Field(ge=0)


class _Kind(BaseModel):
    """The one key that tells which of the two a file is."""

    model_config = ConfigDict(extra="ignore")

    compare_with: Literal["others", "own"] = "others"


def load_policy(path: Path, overrides: Sequence[str]) -> PoisonConfig | OwnConfig:
    """Read a file of `configs/poison`; `overrides` change its numbers, never its kind.

    Raises:
        ConfigError: The file is missing or malformed.
    """
    if load_config(_Kind, path).compare_with == "own":
        return load_config(OwnConfig, path, overrides)
    return load_config(PoisonConfig, path, overrides)
