"""The page of a model card: one file that any browser shows, harmless whatever it is made from."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

from tests.unit.evaluation.cases import SLICES, changed_policy, judge, make_answers, write_evaluation
from tests.unit.evaluation.family_cases import policy_for, write_asr, write_personality
from voxloop.data.erasure_scan import holds
from voxloop.data.erasure_words import Names
from voxloop.evaluation.answers import ANSWERS_SCHEMA
from voxloop.evaluation.card import Importance, Importances
from voxloop.evaluation.card_content import add_importances, add_sounds, make_card, write_card
from voxloop.evaluation.card_page import write_page
from voxloop.evaluation.policy import GatePolicy

POLICY = changed_policy(slices=SLICES)
HOSTILE = '</td><script>alert("1")</script><img src="http://evil"/>\u202e'


def page_of(folder: Path, policy: GatePolicy = POLICY, task: str = "emotion") -> str:
    return write_page(make_card(folder, policy, policy_name="p", judgement=judge(folder, policy, task=task)), {})


def take_apart(page: str) -> ET.Element:
    return ET.fromstring(page.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - our own page


def headings(page: str) -> list[str]:
    return [element.text or "" for element in take_apart(page).iter("h2")]


@pytest.fixture
def emotion_page(tmp_path: Path) -> str:
    return page_of(write_evaluation(tmp_path / "e", make_answers(challenger=0.95)))


def test_what_stands_where(emotion_page: str) -> None:
    assert headings(emotion_page) == [
        "Verdict",
        "Difference to the champion",
        "Measures",
        "Slices",
        "Groups beside each other",
        "Single speakers",
        "Confusion",
        "How sure, how right",
        "Worst utterances",
        "What it stands on",
        "What the figures do not say",
    ]


def test_the_families_differ(tmp_path: Path) -> None:
    asr = headings(page_of(write_asr(tmp_path / "asr"), policy_for("wer", 0.5), "asr"))
    traits = headings(page_of(write_personality(tmp_path / "p"), policy_for("ccc", 0.1), "personality"))
    assert {"Error by duration", "Error by signal-to-noise ratio"} <= {*asr}
    assert "Answer against reference" in traits
    assert not {"Confusion", "How sure, how right"} & {*asr, *traits}


def test_pictures_have_a_size_a_name_and_shapes(emotion_page: str, tmp_path: Path) -> None:
    pages = [
        emotion_page,
        page_of(write_asr(tmp_path / "asr"), policy_for("wer", 0.5), "asr"),
        page_of(write_personality(tmp_path / "p"), policy_for("ccc", 0.1), "personality"),
    ]
    for page in pages:
        pictures = [one for one in take_apart(page).iter("svg") if one.get("role") == "img"]
        assert len(pictures) >= 5
        for one in pictures:
            assert float(one.get("width", 0)) > 0
            assert float(one.get("height", 0)) > 0
            assert one.get("aria-label")
            assert len(list(one)) > 0
    assert not re.search(r'"-?(nan|inf)', "".join(pages))


def test_the_bound_is_drawn_and_named(emotion_page: str) -> None:
    assert 'stroke-dasharray="4 3"' in emotion_page
    assert "uar above -0.030 (non-inferiority)" in emotion_page


def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "e", make_answers(challenger=0.95))
    card = make_card(folder, POLICY, policy_name="p")
    sounds = {card.sets[0].worst[0].utterance_id: b"fLaC sound"}
    root = take_apart(write_page(add_sounds(card, sounds), sounds))
    places = [value for one in root.iter() for name, value in one.attrib.items() if name in ("src", "href", "data")]
    assert places == ["data:audio/flac;base64," + base64.b64encode(b"fLaC sound").decode()]
    assert not [one.tag for one in root.iter() if one.tag in ("script", "link", "iframe", "img", "object", "form")]
    assert not [name for one in root.iter() for name in one.attrib if name.startswith("on")]
    (policy,) = [one.get("content") for one in root.iter("meta") if one.get("http-equiv")]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; media-src data:"
    assert "http://" not in ET.tostring(root, encoding="unicode")


def test_hostile_text_is_text(tmp_path: Path) -> None:
    table = make_answers(challenger=0.9)
    for column in ("utterance_id", "speaker_id"):
        values = pa.array([f"{HOSTILE}{value}" for value in table[column].to_pylist()])
        table = table.set_column(table.schema.get_field_index(column), table.schema.field(column), values)
    sources = pa.array([HOSTILE] * len(table))
    table = table.set_column(table.schema.get_field_index("source"), table.schema.field("source"), sources)
    page = page_of(write_evaluation(tmp_path / "e", table))
    root = take_apart(page)
    assert not list(root.iter("script")) + list(root.iter("img"))
    assert "\u202e" not in page
    assert any("<script>" in "".join(cell.itertext()) for cell in root.iter("td"))


def test_a_hostile_transcript_is_text(tmp_path: Path) -> None:
    folder = write_asr(tmp_path / "e")
    card = make_card(folder, policy_for("wer", 0.5), policy_name=HOSTILE)
    worst = [one.model_copy(update={"challenger": HOSTILE}) for one in card.sets[0].worst]
    sets = (card.sets[0].model_copy(update={"worst": tuple(worst)}),)
    assert not list(take_apart(write_page(card.model_copy(update={"sets": sets}), {})).iter("script"))


@pytest.mark.parametrize("champion", [True, False])
def test_an_empty_evaluation_is_a_page_too(tmp_path: Path, champion: bool) -> None:
    rival = {} if champion else {"champion": None, "ever": False}
    folder = write_evaluation(tmp_path / "e", ANSWERS_SCHEMA.empty_table(), **rival)  # type: ignore[arg-type]
    assert headings(page_of(folder)) == ["Verdict", "What it stands on", "What the figures do not say"]


def test_every_set_is_shown(tmp_path: Path) -> None:
    both = pa.concat_tables([make_answers(), make_answers(evaluation_set="accents", speakers=8, seed=8)])
    page = page_of(write_evaluation(tmp_path / "e", both))
    told = [element.text for element in take_apart(page).iter("h3")]
    assert told[:2] == ["accents: 240 utterances of 8 speakers", "test: 300 utterances of 10 speakers"]


def test_importances_are_shown(tmp_path: Path) -> None:
    card = make_card(write_personality(tmp_path / "p"), policy_for("ccc", 0.1), policy_name="p")
    found = Importances(measure="ccc", repeats=5, inputs=(Importance(name="pitch", drop=0.2, sd=0.01),))
    page = write_page(add_importances(card, {"test": found}), {})
    assert "What the answers hang on" in headings(page)
    assert "+0.2000" in page
    assert "as many of each speaker as can be" not in page
    some = found.model_copy(update={"rows": 500, "all_rows": 1200})
    assert "Of 500 of 1,200 utterances" in write_page(add_importances(card, {"test": some}), {})


@pytest.mark.parametrize(
    ("names", "held"),
    [
        (Names("1", frozenset()), True),
        (Names("a b", frozenset()), True),
        (Names("99", frozenset()), False),
        (Names("nobody", frozenset({"a b-fear-0"})), False),
    ],
)
def test_erasure_finds_whom_a_card_shows(tmp_path: Path, names: Names, held: bool) -> None:
    table = make_answers(speakers=2)
    renamed = pa.array([{"s00": "1", "s01": "a b"}[value] for value in table["speaker_id"].to_pylist()])
    table = table.set_column(table.schema.get_field_index("speaker_id"), table.schema.field("speaker_id"), renamed)
    folder = write_evaluation(tmp_path / "e", table)
    (tmp_path / "card").mkdir()
    write_card(make_card(folder, POLICY, policy_name="p"), tmp_path / "card")
    assert [holds(tmp_path / "card" / name, names) for name in ("card.html", "card.json")] == [held, held]
