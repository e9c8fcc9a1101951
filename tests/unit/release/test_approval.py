from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.errors import InputError, RefusedError
from voxloop.release.approval import choose_next, find_objection, require_deployable
from voxloop.release.versions import APPROVAL, JUDGED_AGAINST, MODEL_DIGEST, NO_CHAMPION, VERDICT, ModelVersion


def version(number: int, against: str = NO_CHAMPION, **tags: str) -> ModelVersion:
    known = {MODEL_DIGEST: f"{number:064d}", VERDICT: "PASS", APPROVAL: "approved", JUDGED_AGAINST: against}
    return ModelVersion("emotion", number, f"run-{number}", known | tags)


def without(one: ModelVersion, *names: str) -> ModelVersion:
    return ModelVersion(one.task, one.number, one.run_id, {k: v for k, v in one.tags.items() if k not in names})


CHAMPION = version(2)


def approved(one: ModelVersion) -> bool:
    """The ledger says what the tag says."""
    return one.tags.get(APPROVAL) == "approved"


def test_the_newest_approved_version_is_chosen() -> None:
    versions = [version(1), version(2), version(3)]
    assert choose_next(versions, None, approved).version == versions[2]
    assert choose_next([], None, approved).version is None


def test_nothing_older_than_the_champion_is_chosen() -> None:
    against = CHAMPION.model_digest
    assert choose_next([version(1, against), CHAMPION], CHAMPION, approved).version is None
    assert choose_next([version(1, against), CHAMPION, version(3, against)], CHAMPION, approved).version == version(
        3, against
    )


@pytest.mark.parametrize(
    ("candidate", "problem"),
    [
        (version(3, CHAMPION.model_digest, **{VERDICT: "FAIL"}), "its verdict is FAIL"),
        (version(3, CHAMPION.model_digest, **{VERDICT: "CANNOT_TELL"}), "its verdict is CANNOT_TELL"),
        (without(version(3, CHAMPION.model_digest), VERDICT), "its verdict is missing"),
        (version(3), "it was judged against none"),
        (version(3, "f" * 64), "it was judged against ffffffffffff"),
        (without(version(3), JUDGED_AGAINST), "it was judged against nothing"),
        (without(version(3, CHAMPION.model_digest), MODEL_DIGEST), "no model digest"),
    ],
)
def test_an_approval_alone_is_not_enough(candidate: ModelVersion, problem: str) -> None:
    choice = choose_next([CHAMPION, candidate], CHAMPION, approved)
    assert choice.version is None
    assert problem in choice.notices[0]
    with pytest.raises(RefusedError, match=problem):
        require_deployable(3, [CHAMPION, candidate], CHAMPION, approved, task="emotion")


@pytest.mark.parametrize("value", ["Approved", "approved ", "aproved", "yes", "true", ""])
def test_a_mistyped_approval_is_named_and_does_not_count(value: str) -> None:
    choice = choose_next([version(1, **{APPROVAL: value})], None, approved)
    assert choice.version is None
    assert repr(value) in choice.notices[0]
    with pytest.raises(RefusedError, match="not approved"):
        require_deployable(1, [version(1, **{APPROVAL: value})], None, approved, task="emotion")


@pytest.mark.parametrize("name", ["Approval", "aproval", " approval", "approvals"])
def test_a_mistyped_tag_is_named(name: str) -> None:
    one = without(version(1), APPROVAL)
    choice = choose_next([ModelVersion("emotion", 1, "run", {**one.tags, name: "approved"})], None, approved)
    assert choice.version is None
    assert repr(name) in choice.notices[0]


def test_a_rejected_version_is_passed_over_in_silence() -> None:
    choice = choose_next([version(1), version(2, **{APPROVAL: "rejected"})], None, approved)
    assert choice.version == version(1)
    assert choice.notices == ()


def test_a_tag_without_a_row_deploys_nothing() -> None:
    choice = choose_next([version(1)], None, lambda _: False)
    assert choice.version is None
    assert choice.notices == (
        "emotion version 1 has approval = 'approved', and the ledger no approval of it: not deployed",
    )
    with pytest.raises(RefusedError, match=r"not approved \(approval = 'approved', none stands in the ledger\)"):
        require_deployable(1, [version(1)], None, lambda _: False, task="emotion")


def test_a_row_without_its_tag_is_an_approval() -> None:
    one = without(version(1), APPROVAL)
    assert choose_next([one], None, lambda _: True).version == one


def test_a_version_asked_for_by_number() -> None:
    assert require_deployable(2, [version(1), CHAMPION], CHAMPION, approved, task="emotion") == CHAMPION
    with pytest.raises(RefusedError, match="older than the champion"):
        require_deployable(1, [version(1), CHAMPION], CHAMPION, approved, task="emotion")
    with pytest.raises(InputError, match="registered are 1, 2"):
        require_deployable(9, [version(1), CHAMPION], CHAMPION, approved, task="emotion")


VALUES = st.sampled_from(["approved", "Approved", "rejected", "PASS", "FAIL", "CANNOT_TELL", "", NO_CHAMPION, "a" * 64])
TAGS = st.dictionaries(st.sampled_from([APPROVAL, VERDICT, JUDGED_AGAINST, MODEL_DIGEST]), VALUES)


@given(st.lists(TAGS, max_size=6))
def test_whatever_the_tags_only_the_approved_that_passed_is_chosen(many: list[dict[str, str]]) -> None:
    versions = [ModelVersion("emotion", number, "run", tags) for number, tags in enumerate(many, start=1)]
    chosen = choose_next(versions, None, approved).version
    fit = [one for one in versions if one.tags.get(APPROVAL) == "approved" and not find_objection(one, None)]
    assert chosen == (fit[-1] if fit else None)
    if chosen is not None:
        assert chosen.tags[VERDICT] == "PASS"
        assert chosen.model_digest
