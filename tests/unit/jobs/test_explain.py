"""One page from the ledger: from the reason to what serves now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.ledger.books import open_book
from voxloop.config import find_config, load_config
from voxloop.errors import InputError
from voxloop.jobs.explain import write_page
from voxloop.ledger.acts import record_judgement
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, Draft
from voxloop.monitoring.decision import Choice, Facts, Word
from voxloop.monitoring.decision_pages import name_episode, record_decision
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.monitoring.retraining import NIGHT, Reason
from voxloop.monitoring.retraining_acts import begin_attempt, begin_retry, claim, end_attempt
from voxloop.release.registrations import record_registration
from voxloop.release.routes import Route, draft_route
from voxloop.release.versions import MODEL_DIGEST, RETRAIN_ID, ModelVersion
from voxloop.verdict import Verdict

AT = datetime(2026, 1, 2, 2, tzinfo=UTC)
MODEL, OTHER = "3f9a" * 16, "77aa" * 16
NIGHTLY = Reason("emotion", NIGHT, "2026-01-02")


def route_to(ledger: Ledger, model: str) -> None:
    route = Route("emotion", {model: 1.0}, None, True, "salt", None)
    ledger.append(draft_route(route, act=f"route/promotion/emotion/{model[:4]}", at=AT, because="it passed"))


def version_of(retrain_id: str) -> ModelVersion:
    return ModelVersion("emotion", 3, "r1", {MODEL_DIGEST: MODEL, RETRAIN_ID: retrain_id})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    book = open_book(tmp_path)
    bound = {"arguments": {"task": "emotion", "config": "small", "corpus_path": ""}, "data": None}
    claim(book, NIGHTLY, bound=bound, because="the night", at=AT)
    claim(book, Reason("emotion", "drift", "w-17"), bound=bound, because="noise", at=AT, asked_by=["tim"])
    first = begin_attempt(book, NIGHTLY.retrain_id, code="c", at=AT)
    end_attempt(book, first, {"error": "no space left"}, at=AT)
    second = begin_retry(book, NIGHTLY.retrain_id, code="c", because="a larger disk", at=AT)
    outcome = {"data_verdict": "PASS", "verdict": "PASS", "model": MODEL, "run": "r1", "version": 3}
    end_attempt(book, second, outcome, at=AT)
    record_judgement(book, task="emotion", model=MODEL, verdict=Verdict.PASS, evidence={"reasons": []}, at=AT)
    said = {"version": 3, "by": "ann", "comment": "", "evidence": "e"}
    record_registration(book, version_of(NIGHTLY.retrain_id), trained_by=("bob",), at=AT)
    book.append(Draft(kind=APPROVAL, task="emotion", subject=MODEL, act="approval/3", payload=said, at=AT))
    route_to(book, MODEL)
    return book


def test_the_whole_chain_stands_on_one_page(ledger: Ledger) -> None:
    page = write_page(ledger.read(), "emotion")
    told = "\n".join(page)
    assert page[0] == f"{NIGHTLY.retrain_id}: judged"
    for line in (
        "  reason     emotion: night 2026-01-02",
        "  because    the night",
        "  asked by   tim",
        "  arguments  config=small task=emotion",
        "  joined by  drift w-17, 2026-01-02T02:00:00 UTC",
        "  attempt 1  2026-01-02T02:00:00 UTC: failed: no space left",
        "  attempt 2  2026-01-02T02:00:00 UTC (a larger disk): data PASS, gate PASS, version 3",
        f"model {MODEL}",
        "  emotion is served by this model now",
    ):
        assert line in page
    assert "judgement    verdict PASS" in told
    assert "approval     version 3, by ann" in told
    assert "route        because it passed" in told


@pytest.mark.parametrize(
    "name",
    [
        MODEL,
        MODEL[:8],
        f"emotion-{MODEL[:12]}",
        "emotion/3",
        NIGHTLY.retrain_id,
        Reason("emotion", "drift", "w-17").retrain_id,
    ],
)
def test_every_name_leads_to_the_same_page(ledger: Ledger, name: str) -> None:
    *of_family, last = write_page(ledger.read(), "emotion")
    assert write_page(ledger.read(), name) == of_family
    assert last == "emotion: 0 of 1 retrainings promoted, GPU-hours an accepted point: not known"


def decide_on(ledger: Ledger, begin: str, word: Word) -> str:
    """Write a decision; return the id of its episode."""
    episode, choice = name_episode("emotion", begin), Choice(word, ("3 of 6 windows", "0 new labelled hours"))
    policy = load_config(DriftPolicy, find_config("drift", "emotion")).decision
    page = {"name": "episode-x", "digest": "d" * 64, "link": "#/experiments/1", "problem": ""}
    facts = Facts(True, ("3 of 6 windows",))
    record_decision(ledger, episode, choice, facts, policy, report=page, stands=timedelta(days=1), at=AT)
    return episode.retrain_id


def test_what_was_decided_is_told_of_the_retraining_the_episode_and_the_family(ledger: Ledger) -> None:
    bound: dict[str, object] = {"arguments": {}, "data": None}
    worth = decide_on(ledger, "2026-01-03T09:00+00:00", Word.RETRAIN)
    claim(ledger, name_episode("emotion", "2026-01-03T09:00+00:00"), bound=bound, because="drift", at=AT)
    not_worth = decide_on(ledger, "2026-01-09T09:00+00:00", Word.LABEL_MORE)
    of_retraining, of_episode, of_family = (
        "\n".join(write_page(ledger.read(), name)) for name in (worth, not_worth, "emotion")
    )
    assert "decided    RETRAIN, 2026-01-02T02:00:00 UTC, drift emotion__2026-01-03T09:00+00:00" in of_retraining
    assert "LABEL_MORE" not in of_retraining
    assert of_episode.startswith(f"{not_worth}: no retraining came of it\n  decided    LABEL_MORE")
    assert "             3 of 6 windows\n             0 new labelled hours\n" in of_episode
    assert of_episode.endswith(" page episode-x.html of Evidently, sha256 dddddddddddd, in MLflow: #/experiments/1")
    assert "decided    RETRAIN" in of_family
    assert "decided    LABEL_MORE" in of_family


def test_a_family_that_nothing_serves_has_its_decisions(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    decide_on(book, "2026-01-03T09:00+00:00", Word.ALERT)
    page = write_page(book.read(), "emotion")
    assert page[:2] == ["emotion is served by nothing now", "emotion: no retraining was judged"]
    assert page[2].startswith("  decided    ALERT")


def test_what_serves_now_may_be_another(ledger: Ledger) -> None:
    route_to(ledger, OTHER)
    assert f"  emotion is served by {OTHER} now" in write_page(ledger.read(), NIGHTLY.retrain_id)
    assert write_page(ledger.read(), "emotion")[0] == "no retraining of the ledger made it: it was run by hand"


def test_a_retraining_without_a_model_says_so(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    claim(book, NIGHTLY, bound={"arguments": {}, "data": "d" * 64}, because="the night", at=AT)
    page = write_page(book.read(), NIGHTLY.retrain_id)
    assert (page[0], page[-1]) == (f"{NIGHTLY.retrain_id}: claimed", "no model came of it")


def test_what_was_registered_leads_back_before_its_attempt_has_ended(tmp_path: Path) -> None:
    """Killed after registering, or run on a cluster, which tells no model."""
    book = open_book(tmp_path)
    claim(book, NIGHTLY, bound={"arguments": {}, "data": None}, because="the night", at=AT)
    begin_attempt(book, NIGHTLY.retrain_id, code="c", at=AT)
    record_registration(book, version_of(NIGHTLY.retrain_id), trained_by=("bob",), at=AT)
    page = write_page(book.read(), "emotion/3")
    assert page[0] == f"{NIGHTLY.retrain_id}: under way"
    assert f"model {MODEL}" in page
    assert write_page(book.read(), NIGHTLY.retrain_id) == write_page(book.read(), MODEL) == page


@pytest.mark.parametrize("name", ["emotion/4", "asr/3", "emotion/", "nobody", "3f9", "asr", "retrain-0000", ""])
def test_an_unknown_name_is_told_what_names_there_are(ledger: Ledger, name: str) -> None:
    with pytest.raises(InputError, match="the ledger knows (0|nothing) of .* ledger show"):
        write_page(ledger.read(), name)


@pytest.mark.parametrize(("said", "shown"), [({}, "because the first"), ({"by": "ann"}, "by ann, because the first")])
def test_a_word_for_a_first_champion_is_shown_with_its_name_if_it_has_one(
    ledger: Ledger, said: dict[str, str], shown: str
) -> None:
    """Entries of before had the reason alone."""
    payload = {"because": "the first", **said}
    ledger.append(Draft(kind="bootstrap", task="emotion", subject=MODEL, act="bootstrap/1", payload=payload, at=AT))
    assert f"bootstrap    {shown}" in "\n".join(write_page(ledger.read(), "emotion"))
