"""The rows that are approvals: what may be approved, by whom, and what makes one void."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.ledger.books import open_book
from tests.unit.release.test_promotion import run
from tests.unit.release.worlds import AT, LASTS, World, approve_in
from voxloop.errors import IntegrityError, RefusedError
from voxloop.ledger.acts import record_judgement
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, VOID, Draft
from voxloop.release.approvals import (
    find_approval,
    find_recorded_objection,
    record_approval,
    require_approval,
    void_approval,
)
from voxloop.release.registrations import digest_evidence, record_registration
from voxloop.release.versions import (
    CARD_DIGEST,
    DATA_DIGEST,
    EVALUATION_DIGEST,
    MODEL_DIGEST,
    POLICY,
    VERDICT,
    ModelVersion,
)
from voxloop.verdict import Verdict

TAGS = {
    MODEL_DIGEST: "a" * 64,
    EVALUATION_DIGEST: "b" * 64,
    DATA_DIGEST: "c" * 64,
    POLICY: "emotion@d",
    VERDICT: "PASS",
    CARD_DIGEST: "e" * 64,
}
VERSION = ModelVersion("emotion", 3, "run", TAGS)


def changed(**tags: str) -> ModelVersion:
    return ModelVersion("emotion", 3, "run", {**TAGS, **{f"voxloop.{name}": value for name, value in tags.items()}})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_book(tmp_path)


def prepare(
    ledger: Ledger, version: ModelVersion = VERSION, *, said: str = "PASS", by: tuple[str, ...] = ("ben",)
) -> None:
    """Write the judgement and the registration that an approval stands on."""
    evidence = {"evaluation": version.tags[EVALUATION_DIGEST]}
    model = version.model_digest
    record_judgement(ledger, task="emotion", model=model, verdict=Verdict(said), evidence=evidence, at=AT)
    record_registration(ledger, version, trained_by=by, at=AT)


def approve(ledger: Ledger, version: ModelVersion = VERSION, *, by: str = "ann", days: float = 0) -> str:
    """Approve and return the act."""
    at = AT + timedelta(days=days)
    return record_approval(ledger, version, by=by, names={by, f"{by}@example.org"}, at=at, lasts=LASTS).act


def objection(ledger: Ledger, version: ModelVersion = VERSION, days: float = 0) -> str:
    at = AT + timedelta(days=days)
    return find_recorded_objection(ledger.read(), version, by_name=True, at=at, lasts=LASTS)


def test_an_approval_is_one_row_and_says_who_and_what(ledger: Ledger) -> None:
    prepare(ledger)
    assert objection(ledger) == "the ledger has no approval of it"
    first = approve(ledger)
    assert approve(ledger) == approve(ledger, by="cleo") == first
    row = find_approval(ledger.read(), VERSION)
    assert row is not None
    assert (row.content["by"], row.content["evidence"]) == ("ann", digest_evidence(VERSION))
    assert objection(ledger) == ""
    assert require_approval(ledger.read(), VERSION) == row


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        (changed(verdict="FAIL"), "its verdict is FAIL"),
        (changed(verdict="CANNOT_TELL"), "its verdict is CANNOT_TELL"),
        (changed(evaluation_digest="f" * 64), "its evaluation changed since it was registered"),
        (changed(card_digest="f" * 64, policy="x"), "its policy, card changed since it was registered"),
        (changed(model_digest="f" * 64), "its model changed"),
        (ModelVersion("emotion", 4, "run", TAGS), "the ledger does not know it"),
        (ModelVersion("asr", 3, "run", TAGS), "the ledger does not know it"),
    ],
)
def test_what_may_not_be_approved(ledger: Ledger, version: ModelVersion, reason: str) -> None:
    prepare(ledger)
    with pytest.raises(RefusedError, match=reason):
        approve(ledger, version)
    assert find_approval(ledger.read(), version) is None


@pytest.mark.parametrize(
    ("number", "judged_against", "reason"),
    [
        (3, 2, ""),
        (3, 1, "it was judged against 000000000001, and the champion is 000000000002 now"),
        (3, None, "it was judged against none, and the champion is 000000000002 now"),
        (0, 2, "it is older than the champion, version 2"),
    ],
)
def test_what_cannot_replace_the_champion_of_today_is_not_approved(
    tmp_path: Path, number: int, judged_against: int | None, reason: str
) -> None:
    world = World(tmp_path)
    for earlier in (1, 2):
        world.add(earlier, judged_against=earlier - 1)
        run(world, earlier)
    if not reason:
        assert world.add(number, judged_against=judged_against)
        return
    with pytest.raises(RefusedError, match=reason):
        world.add(number, judged_against=judged_against)
    assert find_approval(world.entries(), world.versions[number]) is None


@pytest.mark.parametrize("said", ["FAIL", "CANNOT_TELL"])
def test_a_version_that_says_pass_of_itself_while_the_gate_did_not(ledger: Ledger, said: str) -> None:
    prepare(ledger, said=said)
    with pytest.raises(RefusedError, match="the ledger holds no PASS of its evaluation"):
        approve(ledger)


def test_a_later_judgement_of_the_same_evaluation_counts(ledger: Ledger) -> None:
    prepare(ledger)
    evidence = {"evaluation": TAGS[EVALUATION_DIGEST], "policy": "stricter"}
    record_judgement(ledger, task="emotion", model="a" * 64, verdict=Verdict.FAIL, evidence=evidence, at=AT)
    with pytest.raises(RefusedError, match="holds no PASS"):
        approve(ledger)


@pytest.mark.parametrize("trained_by", [("ann",), ("ANN@Example.Org", "x"), ("x", "Ann")])
def test_nobody_approves_what_they_trained(ledger: Ledger, trained_by: tuple[str, ...]) -> None:
    prepare(ledger, by=trained_by)
    with pytest.raises(RefusedError, match="it is the work of ann"):
        approve(ledger)
    assert approve(ledger, by="cleo")


def test_what_nobody_knows_the_trainer_of_nobody_approves(ledger: Ledger) -> None:
    prepare(ledger, by=())
    with pytest.raises(RefusedError, match="nobody can tell who trained it.*VOXLOOP_GIT_AUTHOR"):
        approve(ledger)


def test_an_approval_is_of_what_the_version_said_of_itself(ledger: Ledger) -> None:
    prepare(ledger)
    approve(ledger)
    said = "what it says of itself has changed since it was approved: its approval is void"
    assert objection(ledger, changed(policy="lenient@0")) == said
    with pytest.raises(RefusedError, match="no approval of emotion version 3 as it is now"):
        require_approval(ledger.read(), changed(policy="lenient@0"))


def test_an_old_approval_is_void_and_may_be_given_again(ledger: Ledger) -> None:
    prepare(ledger)
    first = approve(ledger)
    assert objection(ledger, days=14) == ""
    assert objection(ledger, days=14.1) == (
        "it was approved on 2026-01-02, and an approval stands 14 days: its approval is void"
    )
    assert approve(ledger, days=15) != first
    assert objection(ledger, days=15) == ""


def test_an_approval_is_taken_back_by_a_row(ledger: Ledger) -> None:
    prepare(ledger)
    first = approve(ledger)
    row = void_approval(ledger, VERSION, by="cleo", because="rejected: it swears", at=AT)
    assert void_approval(ledger, VERSION, by="cleo", because="rejected: it swears", at=AT) == row
    assert (row.kind, row.content["approval"], row.content["by"]) == (VOID, first, "cleo")
    assert objection(ledger) == "the ledger has no approval of it"
    assert approve(ledger) != first
    assert objection(ledger) == ""


def test_a_version_is_registered_once(ledger: Ledger) -> None:
    prepare(ledger)
    row = record_registration(ledger, VERSION, trained_by=["somebody else"], at=AT)
    assert row.content["trained_by"] == ["ben"]
    with pytest.raises(IntegrityError, match="registered with other evidence"):
        record_registration(ledger, changed(policy="x"), trained_by=["ben"], at=AT)


def test_a_void_promotion_takes_no_approval_back(ledger: Ledger) -> None:
    approve_in(ledger, VERSION)
    content = {"claim": "promotion/emotion/3/1/here", "because": "killed", "is_final": False}
    ledger.append(Draft(kind=VOID, task="emotion", subject="a" * 64, act="void/x", payload=content, at=AT))
    assert objection(ledger) == ""


ACTS = st.lists(st.sampled_from(["approve", "reject", "take back", "wait"]), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(ACTS)
def test_what_was_said_last_counts(tmp_path_factory: pytest.TempPathFactory, acts: list[str]) -> None:
    ledger = open_book(tmp_path_factory.mktemp("book"))
    prepare(ledger)
    days, given_on = 0, None
    for act in acts:
        if act == "approve":
            approve(ledger, days=days)
            given_on = days if given_on is None or days - given_on > 14 else given_on
        elif act == "wait":
            days += 8
        else:
            void_approval(ledger, VERSION, by="ann", because=act, at=AT + timedelta(days=days))
            given_on = None
    stands = given_on is not None and days - given_on <= 14
    assert (objection(ledger, days=days) == "") == stands
    assert len([entry for entry in ledger.verify() if entry.kind == APPROVAL]) <= acts.count("approve")
