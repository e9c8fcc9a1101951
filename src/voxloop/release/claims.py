"""A claim: the row of the ledger by which one process takes a promotion on itself, and without which nobody may flip.

A claim is open until a row says that it is done or void. It is a fence, not a lock: the flip is written only if at that
very moment the claim is still open and the route still the one it was made over. So a process that was taken for dead
can do no harm, and whether it is dead need not be guessed from a clock: claims made at one place are taken over by
whoever holds that place's file lock, which the kernel takes from the dead; claims of another place by a person's word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from voxloop.errors import RefusedError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import APPROVAL, PROMOTION, ROUTE, VOID, Draft, Entry
from voxloop.release.canary_plan import read_plan, require_no_canary
from voxloop.release.champion import read_champion
from voxloop.release.freezes import require_thawed
from voxloop.release.routes import Route, draft_route, find_route_row, list_route_rows, route_of
from voxloop.release.versions import ModelVersion
from voxloop.store.digests import digest_json

CLAIMED, DONE = "claimed", "done"


@dataclass(frozen=True)
class Claim:
    """An entry that claims a promotion."""

    entry: Entry

    @property
    def act(self) -> str:
        """Its name; the rows that follow on it carry it."""
        return self.entry.act

    @property
    def task(self) -> str:
        """Family."""
        return self.entry.task

    @property
    def model(self) -> str:
        """Digest of the model to be promoted."""
        return self.entry.subject

    @property
    def version(self) -> int:
        """Number of its version."""
        return int(self.entry.content["version"])

    @property
    def place(self) -> str:
        """Whose model repository it is staged in."""
        return str(self.entry.content["place"])

    @property
    def after(self) -> int:
        """Sequence of the route row it was made over, 0 for none."""
        return int(self.entry.content["after"])

    def __str__(self) -> str:
        return f"the promotion of {self.task} version {self.version} (ledger entry {self.entry.sequence})"


def take_claim(
    ledger: Ledger,
    version: ModelVersion,
    *,
    replaces: str | None,
    place: str,
    at: datetime,
    canary: int | None = None,
) -> Claim:
    """Take the promotion of a version on oneself; a claim of this place for the same is gone on with.

    Args:
        ledger: The book.
        version: To be promoted.
        replaces: Digest of the champion that it was found fit to replace.
        place: Of this model repository, whose lock the caller holds.
        at: Aware.
        canary: Sequence of the canary's row that this promotion is the end of.

    Raises:
        RefusedError: Another place promotes, a canary goes on, the champion has changed meanwhile, or the family is
            frozen.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """

    def decide(entries: list[Entry]) -> Draft | Entry:
        require_no_canary(entries, version.task, own=canary)
        standing = find_open(entries, version.task)
        if standing is not None:
            if standing.place != place:
                raise explain_foreign(standing)
            if _is_same(standing, version, place, entries):
                return standing.entry
            return _draft_void(standing, "another promotion was begun before it had ended", at, is_final=False)
        require_thawed(entries, version.task, at)
        if (champion := read_champion(entries, version.task)) != replaces:
            raise RefusedError(
                f"the champion of {version.task} is now {_short(champion)}, not {_short(replaces)}",
                rule="a promotion replaces the champion it was compared with",
                remedy="the same command decides again",
            )
        return _draft_claim(entries, version, replaces, place, at)

    while (entry := ledger.append_decided(decide)).kind != PROMOTION:
        pass  # what stood in the way is void; whatever else has happened since is looked at again
    return Claim(entry)


def find_open(entries: Sequence[Entry], task: str) -> Claim | None:
    """Return the claim of a family that is neither done nor void.

    Args:
        entries: All of the ledger.
        task: Family.
    """
    closed = {entry.content.get("claim") for entry in entries if entry.task == task and _is_closing(entry)}
    claims = [entry for entry in entries if entry.task == task and _is_claim(entry) and entry.act not in closed]
    return Claim(claims[-1]) if claims else None


def find_flip(entries: Sequence[Entry], claim: Claim) -> Entry | None:
    """Return the route row that a claim has written; it may no longer be in force."""
    return next((entry for entry in entries if entry.act == f"route/{claim.act}"), None)


def flip(ledger: Ledger, claim: Claim, *, at: datetime, because: str = "") -> Entry:
    """Put the claimed model into service: the one row that changes who is served. What it replaces is the fallback.

    Raises:
        RefusedError: The claim was voided, the route is another than it was made over, or the family was frozen.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """

    def decide(entries: list[Entry]) -> Draft | Entry:
        if done := find_flip(entries, claim):
            return done
        standing = find_open(entries, claim.task)
        if standing is None or standing.act != claim.act:
            raise _refuse_overtaken(claim, "its claim is no longer open")
        before = find_route_row(entries, claim.task)
        if (before.sequence if before else 0) != claim.after:
            raise _refuse_overtaken(claim, f"the route has changed, by ledger entry {before.sequence if before else 0}")
        require_thawed(entries, claim.task, at)
        route = replace_model(route_of(before) if before else None, claim, read_champion(entries, claim.task))
        return draft_route(route, act=f"route/{claim.act}", at=at, because=because)

    return ledger.append_decided(decide)


def replace_model(before: Route | None, claim: Claim, champion: str | None) -> Route:
    """Return the route with the claimed model for everybody and the champion for a fallback."""
    kept = before.fallback if before else None
    return Route(
        task=claim.task,
        weights={claim.model: 1.0},
        shadow=None,
        is_on=before.is_on if before and before.models else True,  # a kill switch is a person's to switch on again
        # A digest of a sealed row: nobody without the runner's key foresees it, and a claim repeated gives it again.
        salt=before.salt if before else digest_json(["salt", claim.entry.digest])[:32],
        fallback=kept if champion == claim.model else champion,
    )


def write_back(ledger: Ledger, claim: Claim, *, at: datetime, because: str) -> Entry | None:
    """Put the route before a flip in force again; None when another was written since, which then stays.

    Before the flip at a canary's end it is the route before the canary: a share that nobody watches is nobody's.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    act = f"route/{claim.act}/back"

    def decide(entries: list[Entry]) -> Draft | Entry:
        row, flipped = find_route_row(entries, claim.task), find_flip(entries, claim)
        if row is None or flipped is None or row.sequence != flipped.sequence:
            return row or claim.entry  # nothing of ours is in force, or it was written back before
        before = _find_row(entries, claim.after)
        if plan := read_plan(before):
            before = _find_row(entries, plan.after)
        ours = route_of(flipped)
        route = route_of(before) if before else Route(claim.task, {}, None, False, ours.salt, None)
        return draft_route(route, act=act, at=at, because=because)

    entry = ledger.append_decided(decide)
    return entry if entry.act == act else None


def close_claim(ledger: Ledger, claim: Claim, *, at: datetime) -> Entry:
    """Write that a promotion is done, unless its claim was closed before."""
    payload = {"step": DONE, "claim": claim.act, "version": claim.version}
    draft = Draft(
        kind=PROMOTION, task=claim.task, subject=claim.model, act=f"{claim.act}/{DONE}", payload=payload, at=at
    )
    return ledger.append_decided(lambda entries: _find_closing(entries, claim) or draft)


def void_claim(ledger: Ledger, claim: Claim, *, because: str, at: datetime, is_final: bool) -> Entry:
    """Write that a promotion came to nothing, unless its claim was closed before.

    Args:
        ledger: The book.
        claim: Open.
        because: Why.
        at: Aware.
        is_final: Trying again by itself cannot help: only a person's `voxloop deploy --version` does.
    """
    draft = _draft_void(claim, because, at, is_final=is_final)
    return ledger.append_decided(lambda entries: _find_closing(entries, claim) or draft)


def explain_foreign(claim: Claim) -> RefusedError:
    """Return why a claim of another place is left alone, and what a person can do."""
    return RefusedError(
        f"{claim} goes on at another place ({claim.place}), since {claim.entry.at[:19]}",
        rule="one promotion of a family at a time; whether a process elsewhere has ended is for a person to say",
        remedy=f"wait; if that machine is gone for good: voxloop reconcile --task {claim.task} --take-over",
    )


def list_used(entries: Sequence[Entry], task: str) -> set[int]:
    """Return the versions that were put into service once: their approval is used up, by their flip."""
    claims = [Claim(entry) for entry in entries if entry.task == task and _is_claim(entry)]
    flips = {entry.act for entry in entries if entry.task == task}
    return {
        claim.version
        for claim in claims
        # A flip that was written back has used nothing up: the approved version never was confirmed in service.
        if f"route/{claim.act}" in flips and f"route/{claim.act}/back" not in flips
    }


def has_had_champion(entries: Sequence[Entry], task: str) -> bool:
    """Return whether any model of a family was ever put into service, by the ledger.

    A promotion that was written back is none: nobody confirmed it in service, and the first may still be appointed.

    Args:
        entries: All of the ledger.
        task: Family.

    Raises:
        IntegrityError: A route row cannot be read.
    """
    rows = list_route_rows(entries, task)
    acts = {row.act for row in rows}
    kept = [row for row in rows if f"{row.act}/back" not in acts]
    done = any(one.kind == PROMOTION and one.task == task and one.content.get("step") == DONE for one in entries)
    return done or any(route_of(row).models for row in kept)


def count_written_back(entries: Sequence[Entry], claim: Claim) -> int:
    """Return how often the version of a claim was put into service and written back, since it was approved last."""
    since = _find_approved(entries, claim.task, claim.version)
    backs = {entry.act for entry in entries if entry.kind == ROUTE and entry.task == claim.task}
    claims = [Claim(entry) for entry in entries if entry.task == claim.task and _is_claim(entry)]
    return sum(
        one.version == claim.version and one.entry.sequence > since and f"route/{one.act}/back" in backs
        for one in claims
    )


def find_failure(entries: Sequence[Entry], task: str, version: int) -> str:
    """Return why the last promotion of a version failed for good; empty when it did not, or is approved since."""
    claims = {entry.act: entry for entry in entries if entry.task == task and _is_claim(entry)}
    acts = [act for act, entry in claims.items() if entry.content["version"] == version]
    voids = [entry for entry in entries if entry.kind == VOID and entry.content.get("claim") in acts]
    if not voids or voids[-1].sequence < claims[acts[-1]].sequence or not voids[-1].content["is_final"]:
        return ""
    if _find_approved(entries, task, version) > voids[-1].sequence:
        return ""
    return str(voids[-1].content["because"])


def _draft_claim(
    entries: Sequence[Entry], version: ModelVersion, replaces: str | None, place: str, at: datetime
) -> Draft:
    earlier = [entry for entry in entries if entry.task == version.task and _is_claim(entry)]
    attempt = 1 + sum(entry.content["version"] == version.number for entry in earlier)
    route = find_route_row(entries, version.task)
    payload = {
        "step": CLAIMED,
        "version": version.number,
        "attempt": attempt,
        "place": place,
        "replaces": replaces,
        "after": route.sequence if route else 0,
    }
    # The place makes it this claim's alone: two that claim at once write two acts, of which one gets through.
    act = f"{PROMOTION}/{version.task}/{version.number}/{attempt}/{place}"
    return Draft(kind=PROMOTION, task=version.task, subject=version.model_digest, act=act, payload=payload, at=at)


def _draft_void(claim: Claim, because: str, at: datetime, *, is_final: bool) -> Draft:
    payload = {"claim": claim.act, "because": because, "is_final": is_final}
    act = f"{VOID}/{claim.act}/{digest_json(payload)[:16]}"
    return Draft(kind=VOID, task=claim.task, subject=claim.model, act=act, payload=payload, at=at)


def _find_approved(entries: Sequence[Entry], task: str, version: int) -> int:
    """Return the sequence of the last approval of a version, 0 for none."""
    rows = (entry for entry in reversed(entries) if entry.kind == APPROVAL and entry.task == task)
    return next((entry.sequence for entry in rows if entry.content.get("version") == version), 0)


def _find_row(entries: Sequence[Entry], sequence: int) -> Entry | None:
    return next((entry for entry in entries if entry.sequence == sequence), None)


def _find_closing(entries: Sequence[Entry], claim: Claim) -> Entry | None:
    closing = (entry for entry in entries if _is_closing(entry) and entry.content.get("claim") == claim.act)
    return next(closing, None)


def _is_same(claim: Claim, version: ModelVersion, place: str, entries: Sequence[Entry]) -> bool:
    route = find_route_row(entries, claim.task)
    is_over = (route.sequence if route else 0) == claim.after or find_flip(entries, claim) == route
    return is_over and (claim.version, claim.model, claim.place) == (version.number, version.model_digest, place)


def _is_claim(entry: Entry) -> bool:
    return entry.kind == PROMOTION and entry.content.get("step") == CLAIMED


def _is_closing(entry: Entry) -> bool:
    return entry.kind == VOID or (entry.kind == PROMOTION and entry.content.get("step") == DONE)


def _refuse_overtaken(claim: Claim, how: str) -> RefusedError:
    return RefusedError(
        f"{claim} was overtaken: {how}",
        rule="only an open claim flips the route it was made over",
        remedy="the same command decides again",
    )


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "none"
