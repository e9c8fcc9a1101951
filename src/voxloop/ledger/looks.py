"""Wear of evaluation sets: every look at one is an entry, and a set bears only so many.

The more often models are chosen by the same set, the more the choice fits the set and not the speech it stands for
(Dwork et al. 2015, "The reusable holdout", Science 349). A development set is made to be looked at, and costs nothing.
The test split of a dataset is no fresh set because the dataset is one: who is in it hangs on a salt, so it is known by
what it holds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import LOOK, Draft, Entry
from voxloop.store.digests import digest_json

_OWN_NAME = re.compile(r"test-[0-9a-f]{16}")
"""Of a dataset's own test split; that of a frozen set ends in a date."""


class LookPolicy(StrictModel):
    """How many looks a set bears. See configs/ledger.yaml for the reasons.

    Args:
        looks_per_set: Looks by different challengers at a frozen set.
        looks_per_test_split: The same of a dataset's own test split.
        warn_from_share: Share of them from which on a fresh set should be cut.
    """

    looks_per_set: int = Field(ge=1)
    looks_per_test_split: int = Field(ge=1)
    warn_from_share: float = Field(gt=0, le=1)

    def budget_of(self, name: str) -> int:
        """Return how many looks the set of this name bears."""
        return self.looks_per_test_split if is_own_test_split(name) else self.looks_per_set


class Named(Protocol):
    """A set by its name."""

    @property
    def task(self) -> str:
        """Family that is judged on it."""

    @property
    def name(self) -> str:
        """`<domain>-<date>`."""

    @property
    def domain(self) -> str:
        """Where its speech is from."""


class FrozenSet(Named, Protocol):
    """What is to be known of an evaluation set; `voxloop.data.evaluation_sets.EvaluationSet` is one."""

    @property
    def looks(self) -> Literal["counted", "free"]:
        """Whether a look is counted."""

    @property
    def digest(self) -> str:
        """Of every byte of it."""


@dataclass(frozen=True)
class OwnTestSplit:
    """The test split of a dataset, as a set: the same rows are the same set, whichever dataset they come with.

    Args:
        task: Family.
        rows_digest: Of what its rows hold.
    """

    task: str
    rows_digest: str
    domain: str = "test"
    looks: Literal["counted", "free"] = "counted"

    @property
    def digest(self) -> str:
        """Of its rows for this family: each wears it by itself."""
        return digest_json({"task": self.task, "rows": self.rows_digest})

    @property
    def name(self) -> str:
        """`test-<digest>`: nobody gives it a date."""
        return f"test-{self.digest[:16]}"


def is_own_test_split(name: str) -> bool:
    """Return whether a set of this name is the test split of a dataset, and no frozen one."""
    return _OWN_NAME.fullmatch(name) is not None


class LookAnswer(StrEnum):
    """What became of the wish to look."""

    FREE = "free"
    COUNTED = "counted"
    REPEATED = "repeated"
    SPENT = "spent"


@dataclass(frozen=True)
class Wear:
    """How much a set was looked at.

    Args:
        task: Family.
        name: Of the set.
        domain: Where its speech is from.
        looks: Since the set was made; an erasure, which takes speakers out of it, does not make it a new one.
        budget: Looks it bears.
        warn_from: Looks from which on a fresh set should be cut.
    """

    task: str
    name: str
    domain: str
    looks: int
    budget: int
    warn_from: float

    @property
    def left(self) -> int:
        """Looks that are left, never below zero."""
        return max(0, self.budget - self.looks)

    def warning(self, at: datetime) -> str:
        """Return how worn the set is and the command that cuts a fresh one; empty while it is not near its end.

        Args:
            at: Aware; gives the date of the fresh set.
        """
        if self.looks < self.warn_from:
            return ""
        if is_own_test_split(self.name):
            return (
                f"test split {self.task}/{self.name} has {self.left} of {self.budget} looks left: cut a fresh one by "
                f"another salt: voxloop ingest --set split.salt={at:%Y-%m-%d} (of the pipeline, corpus_overrides); "
                f"and freeze speakers no model was trained on: {self._cut('DOMAIN', at)}"
            )
        return (
            f"evaluation set {self.task}/{self.name} has {self.left} of {self.budget} looks left: "
            f"cut a fresh one from speakers no model was trained on: {self._cut(self.domain, at)}"
        )

    def _cut(self, domain: str, at: datetime) -> str:
        return f"voxloop evalset cut --from DATASET --domain {domain} --date {at:%Y-%m-%d} --task {self.task}"


@dataclass(frozen=True)
class Look:
    """The answer to the wish to look at a set.

    Args:
        answer: `SPENT` means that nothing may be concluded from the set: the gate cannot tell.
        wear: Of the set, this look included; None for a development set.
        entry: In the ledger; None for a look that is free or was refused.
    """

    answer: LookAnswer
    wear: Wear | None = None
    entry: Entry | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the set's figures may be used."""
        return self.answer is not LookAnswer.SPENT


def record_look(
    ledger: Ledger, evaluation_set: FrozenSet, *, challenger: str, at: datetime, policy: LookPolicy
) -> Look:
    """Count a look of one challenger at one set, before its figures are used.

    The same challenger on the same set is one look, however often it is asked for. A look beyond the budget is
    not written, and refused; of several processes at once no more get through than looks are left.

    Args:
        ledger: The book.
        evaluation_set: As it was frozen, or the `OwnTestSplit` of a dataset.
        challenger: Digest of the model.
        at: Aware.
        policy: The budget.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: The ledger does not answer.
    """
    if evaluation_set.looks == "free":
        return Look(LookAnswer.FREE)
    draft = Draft(
        kind=LOOK,
        task=evaluation_set.task,
        subject=evaluation_set.name,
        act=f"{LOOK}/{evaluation_set.digest}/{challenger}",
        payload={
            "challenger": challenger,
            "domain": evaluation_set.domain,
            "evaluation_set": evaluation_set.digest,
        },
        at=at,
    )
    while True:  # another process that was faster has appended, so somebody always gets on
        entries = ledger.read()
        wear = measure_wear(entries, evaluation_set, policy)
        if before := next((entry for entry in entries if entry.act == draft.act), None):
            return Look(LookAnswer.REPEATED, wear, before.require_same(draft))
        if not wear.left:
            return Look(LookAnswer.SPENT, wear)
        if entry := ledger.append_after(draft, len(entries)):
            return Look(LookAnswer.COUNTED, measure_wear([*entries, entry], evaluation_set, policy), entry)


def measure_wear(entries: Sequence[Entry], of: Named, policy: LookPolicy) -> Wear:
    """Return how worn one set is.

    Args:
        entries: All of the ledger.
        of: The set.
        policy: The budget.
    """
    looks = sum((entry.kind, entry.task, entry.subject) == (LOOK, of.task, of.name) for entry in entries)
    budget = policy.budget_of(of.name)
    return Wear(of.task, of.name, of.domain, looks, budget, budget * policy.warn_from_share)


def list_looked_at(entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """Return task, name and domain of every frozen set that was ever looked at."""
    looked = (one for one in entries if one.kind == LOOK and not is_own_test_split(one.subject))
    return sorted({(one.task, one.subject, one.content["domain"]) for one in looked})


def list_own_test_splits(entries: Sequence[Entry], policy: LookPolicy) -> list[Wear]:
    """Return how worn test splits of datasets are: of each family the one looked at last, and every one near its end.

    Data that grow have another test split every night, and a year of them would hide the rest.

    Args:
        entries: All of the ledger.
        policy: The budget.
    """
    looks = [one for one in entries if one.kind == LOOK and is_own_test_split(one.subject)]
    last = {one.task: one.subject for one in looks}
    counts = Counter((one.task, one.subject) for one in looks)
    budget = policy.looks_per_test_split
    found = (Wear(*of, "test", count, budget, budget * policy.warn_from_share) for of, count in sorted(counts.items()))
    return [one for one in found if one.name == last[one.task] or one.looks >= one.warn_from]
