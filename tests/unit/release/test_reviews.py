"""Which versions stand, which learnt from a speaker, and what a review does to one in force."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.unit.release.archives import MemoryArchive, make_version
from voxloop.errors import IntegrityError
from voxloop.release.reviews import (
    OPEN,
    REVIEW,
    REVIEW_REASON,
    SPEAKERS_ARTIFACT,
    Learnt,
    find_affected,
    open_reviews,
    read_speakers,
)
from voxloop.release.standing import AWAITING, RegisteredModel, find_standing, read_needs
from voxloop.release.versions import APPROVAL, APPROVED, JUDGED_AGAINST, MODEL_DIGEST, PROMOTED_AT, VERDICT

AT = datetime(2026, 11, 20, tzinfo=UTC)
TOMBSTONE = "ab" * 32
APPROVED_TAG = {APPROVAL: APPROVED}
CHAMPION_DIGEST = make_version(2).model_digest


def listing(*train: str, dev: tuple[str, ...] = ()) -> dict[str, bytes]:
    content = {"schema_version": 1, "train": list(train), "dev": list(dev)}
    return {SPEAKERS_ARTIFACT: json.dumps(content).encode()}


def model(*aliases: tuple[str, int]) -> RegisteredModel:
    """Return six versions of which 2 is the champion unless said otherwise."""
    against = {JUDGED_AGAINST: CHAMPION_DIGEST}
    versions = (
        make_version(1, {PROMOTED_AT: "2026-01-01"}),
        make_version(2, {PROMOTED_AT: "2026-02-01"}),
        make_version(3, against),
        make_version(4, {APPROVAL: "rejected", **against}),
        make_version(5, {APPROVAL: "Aproved", **against}),
        make_version(6, {**against, VERDICT: "FAIL"}),
    )
    return RegisteredModel("emotion", versions, dict(aliases or (("champion", 2), ("fallback", 1))))


def test_what_carries_an_alias_or_could_be_approved_stands() -> None:
    assert find_standing(model()) == {1: "fallback", 2: "champion", 3: AWAITING, 5: "approval Aproved"}


def test_any_alias_at_all_keeps_its_version() -> None:
    assert find_standing(model(("champion", 2), ("for-the-audit", 6)))[6] == "for-the-audit"


def test_of_those_nobody_answered_the_newest_is_open_and_the_challenger_keeps_its_alias() -> None:
    alone = RegisteredModel("emotion", (make_version(1), make_version(2), make_version(3)), {"challenger": 2})
    assert find_standing(alone) == {2: "challenger", 3: AWAITING}


def test_what_was_judged_against_another_champion_is_no_longer_open() -> None:
    stale = RegisteredModel("emotion", (make_version(2), make_version(3)), {"champion": 2})
    assert find_standing(stale) == {2: "champion"}


def test_an_approved_version_stands_even_where_the_rules_would_pass_it_over() -> None:
    stale = RegisteredModel("emotion", (make_version(2), make_version(3, APPROVED_TAG)), {"champion": 2})
    assert find_standing(stale)[3] == "approval approved"


@pytest.mark.parametrize(
    "broken",
    [
        RegisteredModel("emotion", (make_version(1),), {"champion": 7}),
        RegisteredModel("emotion", (make_version(1, run_id=""),), {"champion": 1}),
        RegisteredModel("emotion", (make_version(1, {MODEL_DIGEST: ""}),), {"champion": 1}),
    ],
    ids=["a version that is not there", "no run", "no digest"],
)
def test_what_cannot_be_understood_is_said(broken: RegisteredModel) -> None:
    with pytest.raises(IntegrityError, match="correct it in MLflow"):
        read_needs([broken])


def archive() -> MemoryArchive:
    """Return four versions: 1 learnt from ann, 2 (champion) in dev from ann, 3 from others, 4 does not say."""
    made = MemoryArchive()
    made.add(make_version(1), listing("ann", "bob"))
    made.add(make_version(2), listing("bob", dev=("ann",)))
    made.add(make_version(3, APPROVED_TAG), listing("bob", "cat"))
    made.add(make_version(4, APPROVED_TAG), {"training/training.json": b"{}"})
    made.set_aliases("emotion", champion=2)
    return made


def test_every_version_that_learnt_from_them_or_cannot_say_is_listed() -> None:
    affected = find_affected(archive(), archive().list_models(), "ann")
    assert [(one.version.number, one.learnt, one.standing) for one in affected] == [
        (1, Learnt.YES, ""),
        (2, Learnt.YES, "champion"),
        (4, Learnt.UNKNOWN, "approval approved"),
    ]
    assert str(affected[1]) == "emotion version 2 (champion): trained on them"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"train": ["a"]}', b'{"train": [1], "dev": []}', b"\xff"])
def test_a_list_that_cannot_be_read_is_no_empty_list(content: bytes) -> None:
    assert read_speakers(content) is None
    made = MemoryArchive()
    made.add(make_version(1), {SPEAKERS_ARTIFACT: content})
    assert [one.learnt for one in find_affected(made, made.list_models(), "ann")] == [Learnt.UNKNOWN]


def test_a_review_is_opened_for_what_is_or_may_come_into_force_and_names_no_speaker() -> None:
    made = archive()
    opened = open_reviews(made, find_affected(made, made.list_models(), "ann"), TOMBSTONE, at=AT)
    assert opened == ["emotion version 2 (champion)", "emotion version 4 (approval approved)"]
    tags = {one.number: one.tags for one in made.models["emotion"].versions}
    assert (tags[2][REVIEW], tags[2][REVIEW_REASON]) == (OPEN, "erasure:abababababab")
    assert "erasure:abababababab" in made.notes["emotion", 2]
    assert REVIEW not in tags[1]
    assert REVIEW not in tags[3]
    assert "ann" not in made.notes["emotion", 2] + tags[2][REVIEW_REASON]


def test_a_review_opened_again_writes_nothing_even_when_a_person_closed_it() -> None:
    made = archive()
    open_reviews(made, find_affected(made, made.list_models(), "ann"), TOMBSTONE, at=AT)
    made.tag_version(make_version(2), REVIEW, "closed")
    writes, note = made.writes, made.notes["emotion", 2]
    assert open_reviews(made, find_affected(made, made.list_models(), "ann"), TOMBSTONE, at=AT) == []
    assert (made.writes, made.notes["emotion", 2]) == (writes, note)


def test_another_speaker_opens_it_again_and_both_reasons_stay() -> None:
    made = archive()
    open_reviews(made, find_affected(made, made.list_models(), "ann"), TOMBSTONE, at=AT)
    made.tag_version(make_version(2), REVIEW, "closed")
    opened = open_reviews(made, find_affected(made, made.list_models(), "bob"), "cd" * 32, at=AT)
    assert "emotion version 2 (champion)" in opened
    (champion,) = (one for one in made.models["emotion"].versions if one.number == 2)
    assert champion.tags[REVIEW] == OPEN
    assert champion.tags[REVIEW_REASON] == "erasure:abababababab erasure:cdcdcdcdcdcd"
