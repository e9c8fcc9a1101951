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
from voxloop.ledger.entry import PROMOTION, VOID, Draft, Entry
from voxloop.release.canary_plan import read_plan, require_no_canary
from voxloop.release.champion import read_champion
from voxloop.release.freezes import require_thawed
from voxloop.release.routes import Route, draft_route, find_route_row, route_of
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


def list_claims(entries: Sequence[Entry], task: str) -> list[Claim]:
    """Return all claims of a family, open or closed, in the order they were made."""
    return [
        Claim(entry)
        for entry in entries
        if entry.task == task and entry.kind == PROMOTION and entry.content.get("step") == CLAIMED
    ]


def find_open(entries: Sequence[Entry], task: str) -> Claim | None:
    """Return the claim of a family that is neither done nor void.

    Args:
        entries: All of the ledger.
        task: Family.
    """
    closed = {entry.content.get("claim") for entry in entries if entry.task == task and _is_closing(entry)}
    claims = [claim for claim in list_claims(entries, task) if claim.act not in closed]
    return claims[-1] if claims else None


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


def _draft_claim(
    entries: Sequence[Entry], version: ModelVersion, replaces: str | None, place: str, at: datetime
) -> Draft:
    attempt = 1 + sum(claim.version == version.number for claim in list_claims(entries, version.task))
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


def _find_row(entries: Sequence[Entry], sequence: int) -> Entry | None:
    return next((entry for entry in entries if entry.sequence == sequence), None)


def _find_closing(entries: Sequence[Entry], claim: Claim) -> Entry | None:
    closing = (entry for entry in entries if _is_closing(entry) and entry.content.get("claim") == claim.act)
    return next(closing, None)


def _is_same(claim: Claim, version: ModelVersion, place: str, entries: Sequence[Entry]) -> bool:
    route = find_route_row(entries, claim.task)
    is_over = (route.sequence if route else 0) == claim.after or find_flip(entries, claim) == route
    return is_over and (claim.version, claim.model, claim.place) == (version.number, version.model_digest, place)


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
