"""What is worth a label, of answers whose doubt, novelty and drift are known."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.monitoring.callers import DAY, NOON, SOUND, Row, ask, give_label, make_answer, no_sync, write_log
from tests.unit.monitoring.labelled import KEYS
from voxloop.config import find_config, load_config
from voxloop.data.prosody_tables import MEASURES
from voxloop.errors import CorpusError, InputError, RefusedError
from voxloop.monitoring.drift.columns import Coded, fix_columns
from voxloop.monitoring.drift.profile import PredictionColumns, make_profile
from voxloop.monitoring.drift.profile_file import ReferenceFile, describe_reference
from voxloop.monitoring.drift.season import NO_SEASON
from voxloop.monitoring.feedback import is_person, name_person, read_quarantine
from voxloop.monitoring.kept_answers import NO_CONSENT, NO_SOUND
from voxloop.monitoring.labelling_list import HAS_LABEL, NO_REASON, NOT_LISTED, Listing, list_worth, write_listing
from voxloop.monitoring.prediction import describe_measures
from voxloop.monitoring.returned_labels import Returned, return_labels
from voxloop.monitoring.worth_labelling import find_drifted_columns
from voxloop.monitoring.worth_policy import WorthPolicy
from voxloop.store.digests import list_files
from voxloop.tasks import task_names

POLICY = load_config(WorthPolicy, find_config("labelling", "emotion"))
NO_REFERENCE, NO_DRIFT = "there is no reference", "no window of the newest report has drifted"
__all__ = ["no_sync"]  # a fixture of that file
ANNA = name_person("anna")
COUNT = 100


def make_reference(seed: int = 3) -> ReferenceFile:
    """Return a reference in which every number of the sound is standard normal."""
    draw = np.random.default_rng(seed)
    count = 2_000
    values = {name: draw.standard_normal(count) for name in ("snr_db", *MEASURES)}
    one = Coded(np.array(["one"], dtype=np.str_), np.zeros(count, dtype=np.int64))
    columns = fix_columns(values, 20)
    profile = make_profile("emotion", columns, PredictionColumns(one, one, values, {}))
    return describe_reference({0: profile}, NO_SEASON, DAY - timedelta(days=30), DAY - timedelta(days=2))


def make_rows(count: int = COUNT, speakers: int = 20) -> list[Row]:
    """Return answers whose numbers are in the middle of the reference, less and less sure from row to row."""
    rows = []
    for number in range(count):
        row = make_answer(number, "anger", number % speakers, confidence=0.9 - number / 1_000)
        rows.append(row | describe_measures(dict.fromkeys(("snr_db", *MEASURES), 0.0)))
    return rows


def choose(home: Path, rows: list[Row], *, drifted: frozenset[str] | str = NO_DRIFT, **changes: Any) -> Listing:
    write_log(home / "predictions", rows)
    policy = POLICY.model_copy(update=changes)
    found = list_worth(ask(home), policy, make_reference(), drifted, frozenset())
    assert len(found.listed) + sum(found.left_out.values()) == len(rows)
    return found


def test_the_least_confident_come_first_and_no_speaker_has_more_than_a_share(tmp_path: Path) -> None:
    found = choose(tmp_path, make_rows(), most=100, uncertain_share=0.4)
    assert [one.row["confidence"] for one in found.listed] == sorted(one.row["confidence"] for one in found.listed)
    assert (len(found.listed), found.left_out) == (40, {NO_REASON: 60})
    assert found.listed[0].why == ("uncertain: confidence 0.801",)
    assert found.untold == (f"drifted: {NO_DRIFT}",)
    few = list_worth(
        ask(tmp_path),
        POLICY.model_copy(update={"most": 10, "uncertain_share": 0.9}),
        NO_REFERENCE,
        NO_DRIFT,
        frozenset(),
    )
    assert Counter(one.row["speaker"] for one in few.listed).most_common(1)[0][1] == 1
    assert (len(few.listed), few.left_out) == (10, {NO_REASON: 10, NOT_LISTED: 80})
    assert few.untold == (f"novel: {NO_REFERENCE}", f"drifted: {NO_REFERENCE}")


def test_each_model_is_unsure_by_its_own_measure(tmp_path: Path) -> None:
    rows = [
        row | ({"model_digest": "5" * 64, "confidence": 0.3} if n < 50 else {}) for n, row in enumerate(make_rows())
    ]
    found = choose(tmp_path, rows)
    assert Counter(one.row["model_digest"] for one in found.listed) == {"5" * 64: 5, "e" * 64: 5}


def test_what_lies_beyond_the_reference_is_novel_and_more_so_the_farther(tmp_path: Path) -> None:
    rows = make_rows()
    rows[3] |= {"snr_db": 9.0}
    rows[5] |= {"snr_db": -4.0}
    rows[7] |= {"snr_db": 2.0}  # in the last bin, of which the reference has a twentieth
    rows[9] |= {"snr_db": 9.0, "is_measured": False}
    rows[99] |= {"snr_db": -9.0}
    found = choose(tmp_path, rows, uncertain_share=0.01)
    assert [one.row["request_id"] for one in found.listed] == [rows[n]["request_id"] for n in (99, 3, 5)]
    assert found.listed[0].why[0].startswith("uncertain: confidence 0.801")
    assert found.listed[0].why[1].startswith("novel: snr_db lies 7.")
    assert found.listed[0].score > found.listed[1].score > found.listed[2].score > 0.5


def test_of_a_drifted_column_what_has_become_more_frequent_is_worth_it(tmp_path: Path) -> None:
    draw = np.random.default_rng(7)
    rows = make_rows()
    for number, row in enumerate(rows):
        row["snr_db"] = float(draw.uniform(-1.2, -0.8)) if number < 30 else float(draw.standard_normal())
    assert not [one for one in choose(tmp_path, rows).listed if "drifted" in " ".join(one.why)]
    found = list_worth(ask(tmp_path), POLICY, make_reference(), frozenset({"snr_db"}), frozenset())
    drifted = {one.row["request_id"] for one in found.listed if "drifted: values of snr_db" in " ".join(one.why)}
    moved = {row["request_id"] for row in rows[:30]}
    assert len(drifted & moved) >= 20
    assert len(drifted - moved) <= 20
    assert found.untold == ()


def test_the_columns_that_drifted_are_those_of_the_newest_window_that_did() -> None:
    def window(start: str, outcome: str, *columns: str) -> dict[str, Any]:
        findings = [{"column": name, "value": 2.0, "threshold": 1.0} for name in columns]
        return {
            "start": start,
            "outcome": outcome,
            "findings": [*findings, {"column": "x", "value": 1, "threshold": 1}],
        }

    windows = [window("09", "DRIFT", "f0_mean_hz"), window("10", "DRIFT", "snr_db"), window("11", "NO_DRIFT")]
    assert find_drifted_columns({"windows": windows}) == frozenset({"snr_db"})
    assert find_drifted_columns({"windows": windows[2:]}) == NO_DRIFT


def test_what_may_not_be_heard_or_has_a_label_is_not_listed(tmp_path: Path) -> None:
    rows = make_rows()
    rows[99] |= {"consent": False}
    rows[98] |= {"audio": None}
    give_label(tmp_path / "feedback", rows[97], {"emotion": "fear"}, KEYS[0])
    found = choose(tmp_path, rows)
    assert found.left_out == {NO_CONSENT: 1, NO_SOUND: 1, HAS_LABEL: 1, NO_REASON: 90}
    assert len(found.listed) == 7


def test_without_confidence_that_is_said_and_nothing_is_listed(tmp_path: Path) -> None:
    rows = [row | {"confidence": None} for row in make_rows()]
    found = choose(tmp_path, rows)
    assert found.untold[0] == "uncertain: the answers have no confidence"
    with pytest.raises(RefusedError, match="no answer of emotion is worth a label: 100 answers of which nothing"):
        write_listing(ask(tmp_path), found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A home with a list of ten answers in `list/`."""
    write_listing(ask(tmp_path), choose(tmp_path, make_rows()), tmp_path / "list")
    return tmp_path


def fill_in(home: Path, labels: dict[int, str], delimiter: str = ",") -> list[str]:
    """Write labels into rows of the table, as a spreadsheet would, and return the requests of all rows."""
    path = home / "list" / "worth_labelling.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, label in labels.items():
        rows[number]["emotion"] = label
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return [row["request_id"] for row in rows]


def read_back(home: Path, family: str = "emotion", by: str = ANNA) -> Returned:
    return return_labels(
        home / "list", home / "predictions", home / "feedback", family, key_id=by, at=NOON + timedelta(days=1)
    )


def test_a_list_is_a_table_to_fill_in_recordings_and_a_page(listed: Path) -> None:
    place = listed / "list"
    table = list(csv.DictReader((place / "worth_labelling.csv").read_text(encoding="utf-8").splitlines()))
    assert list(table[0]) == ["request_id", "why", "score", "answer", "emotion"]
    assert (len(table), {row["emotion"] for row in table}, {row["answer"] for row in table}) == (10, {""}, {"anger"})
    assert {path.stem for path in (place / "audio").iterdir()} == {row["request_id"] for row in table}
    assert (place / "audio" / f"{table[0]['request_id']}.flac").read_bytes() == SOUND
    page = (place / "listen.html").read_text(encoding="utf-8")
    assert page.count("<audio ") == 10
    assert "media-src data:" in page
    shown = page.split("<h1>")[1]
    assert not [n for n in range(20) if f"{n:064x}" in shown], "who speaks is not shown"
    assert json.loads((place / "listing.json").read_text())["listed"] == 10
    write_listing(
        ask(listed), list_worth(ask(listed), POLICY, make_reference(), NO_DRIFT, frozenset()), listed / "again"
    )
    assert list_files(listed / "again") == list_files(place)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_labels_are_read_back_once_and_corrected_when_they_change(listed: Path, delimiter: str) -> None:
    requests = fill_in(listed, {0: "fear", 1: " anger "}, delimiter)
    assert read_back(listed) == Returned(taken=2, known=0, empty=8, refused=())
    waiting = list_files(listed / "feedback")
    assert read_back(listed) == Returned(taken=0, known=2, empty=8, refused=())
    assert list_files(listed / "feedback") == waiting
    given = {one.request_id: one for _, one in read_quarantine(listed / "feedback", "emotion") if one}
    assert {request: given[request].label["emotion"] for request in requests[:2]} == {
        requests[0]: "fear",
        requests[1]: "anger",
    }
    assert all(is_person(one.key_id) and one.tenant == "people" for one in given.values())
    corrected = (listed / "list" / "worth_labelling.csv").read_text(encoding="utf-8").replace("fear", "neutral")
    (listed / "list" / "worth_labelling.csv").write_text(corrected, encoding="utf-8")
    assert read_back(listed) == Returned(taken=1, known=1, empty=8, refused=())
    assert read_back(listed, by=name_person("Bo B.")) == Returned(taken=2, known=0, empty=8, refused=())
    assert read_back(listed) == Returned(taken=0, known=2, empty=8, refused=()), "whoever labelled since"


def test_a_row_whose_label_is_none_is_refused_with_the_reason_and_the_others_are_taken(listed: Path) -> None:
    requests = fill_in(listed, {0: "fear", 1: "angry", 2: "anger"})
    path = listed / "list" / "worth_labelling.csv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace(requests[2], "0" * 32))
    found = read_back(listed)
    assert (found.taken, found.known, found.empty) == (1, 0, 7)
    (first, why), (second, unknown) = found.refused
    assert (first, second) == (requests[1], "0" * 32)
    assert why.startswith("emotion = 'angry'; one of anger, fear, happiness, neutral")
    assert unknown.startswith("no answer to request")


def test_an_answer_that_may_be_in_a_file_nobody_can_read_says_so(listed: Path) -> None:
    fill_in(listed, {0: "fear"})
    (batch,) = (listed / "predictions").rglob("*.parquet")
    batch.write_bytes(b"PAR1")
    (_, why) = read_back(listed).refused[0]
    assert f"it may be in a file that cannot be read ({batch.name})" in why


def test_a_table_that_is_none_is_refused_whole(listed: Path) -> None:
    requests = fill_in(listed, {0: "fear"})
    with pytest.raises(CorpusError, match="lacks the column text"):
        read_back(listed, "asr")
    path = listed / "list" / "worth_labelling.csv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace(requests[1], requests[0]))
    with pytest.raises(CorpusError, match="twice"):
        read_back(listed)
    path.unlink()
    with pytest.raises(CorpusError, match="does not exist"):
        read_back(listed)
    assert not list((listed / "feedback").rglob("*.json"))


@pytest.mark.parametrize("name", ["", " anna", "a" * 65, "anna\n", "an\x00na"])
def test_who_labels_has_a_name(name: str) -> None:
    with pytest.raises(InputError, match="names nobody"):
        name_person(name)
    assert is_person(name_person("Żaneta Łoś"))
    assert not is_person(KEYS[0])


@pytest.mark.parametrize("family", task_names())
def test_every_family_has_its_numbers(family: str) -> None:
    assert load_config(WorthPolicy, find_config("labelling", family)) == POLICY
