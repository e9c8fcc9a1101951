"""Which labels that came later production is measured by."""

from __future__ import annotations

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.data.group_test import NullConfig


class LabelPolicy(StrictModel):
    """Which labels are measured by; section `labels` of `configs/drift/<task>.yaml` says why so.

    Args:
        days: How long ago an answer may have been given.
        least_answers: With a label.
        least_speakers: Who were answered.
        most_of_one_key: Share of the labels that one key may have given.
        most_of_one_label: Share of the labels that may say one thing.
        most_contradicted: Share of the labelled answers whose labels may contradict each other.
        key_null: Null of labels that contradict the answers, of one key beside the others.
    """

    days: float = Field(gt=0, le=3_650)
    least_answers: int = Field(ge=2)
    least_speakers: int = Field(ge=2)
    most_of_one_key: float = Field(gt=0, lt=1)
    most_of_one_label: float = Field(gt=0, lt=1)
    most_contradicted: float = Field(ge=0, lt=1)
    key_null: NullConfig
