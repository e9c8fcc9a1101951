from __future__ import annotations

import re

import pytest

from voxloop.data.corpora.labels import look_up, match_name, read_age, read_number, read_text
from voxloop.data.corpora.reader import UnusableFileError


def test_a_label_means_what_the_configuration_says() -> None:
    assert look_up({"W": "anger"}, "W", "a.wav", "emotion") == "anger"
    assert read_age("31", "a.wav") == 31
    assert read_age("", "a.wav") is None
    assert read_number("5.5", "a.wav", "Extr", 1.0, 7.0) == 5.5
    assert read_text(" go \n", "a.wav", "the table") == "go"


@pytest.mark.parametrize("text", ["-3", "3.5", "x", " 3", "٣"])
def test_an_age_is_a_number_of_years(text: str) -> None:
    with pytest.raises(UnusableFileError, match="unknown label"):
        read_age(text, "a.wav")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "unknown label"), ("NA", "unknown label"), ("nan", "out of range"), ("inf", "out of range"), ("7.1", "out of range"), ("0", "out of range")],
)  # fmt: skip
def test_a_number_out_of_its_range_refuses_its_file(text: str, reason: str) -> None:
    with pytest.raises(UnusableFileError) as refused:
        read_number(text, "a.wav", "Extr", 1.0, 7.0)
    assert refused.value.reason == reason


def test_a_refusal_names_the_labels_there_are_but_not_hundreds() -> None:
    with pytest.raises(UnusableFileError, match="emotion 'X' is not one of those known: W, L"):
        look_up({"W": 1, "L": 2}, "X", "a.wav", "emotion")
    with pytest.raises(UnusableFileError) as refused:
        look_up({str(number): number for number in range(500)}, "X", "a.wav", "actor")
    assert len(refused.value.detail) < 120


def test_a_name_that_tells_nothing_says_what_it_should_tell() -> None:
    with pytest.raises(UnusableFileError, match="unknown name; its name should tell digit, take"):
        match_name(re.compile(r"(?P<digit>\d)_(?P<take>\d+)"), "x", "recordings/x")


def test_words_of_white_space_are_no_transcript() -> None:
    with pytest.raises(UnusableFileError, match="no transcript"):
        read_text(" \n", "a.wav", "the table")
