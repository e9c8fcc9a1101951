"""The mirror: aliases, tags and what is loaded follow the ledger. Each function yields what does not, with its mending.

Findings are made one at a time, each after the one before was mended: what a caller does not mend stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from voxloop.errors import IntegrityError
from voxloop.ledger.entry import PROMOTION, Entry
from voxloop.ledger.head import RUNBOOK
from voxloop.release.champion import find_bearer, read_champion
from voxloop.release.claims import DONE
from voxloop.release.finding import Finding
from voxloop.release.routes import find_route_row, list_route_rows, read_route, route_of
from voxloop.release.systems import Platform
from voxloop.release.versions import (
    CHALLENGER,
    CHAMPION,
    FALLBACK,
    PROMOTED_AT,
    ModelVersion,
    serving_name,
)

HEAD_COPY = "voxloop.ledger_head"
"""Tag of the registered model: the ledger's end as of the last promotion, sealed. It shows a tail cut since."""
LEAVING = timedelta(minutes=2)
"""How long a model stays loaded after its last route: routes are taken up within a second, answers take up to 120 s."""


def find_unmirrored(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield every alias and tag of the registry that is not as the route in force says."""
    entries = platform.ledger.read()
    row = find_route_row(entries, task)
    if row is None:
        return
    versions = platform.registry.list_versions(task)
    champion, fallback = read_champion(entries, task), route_of(row).fallback
    # The fallback is named first: killed in between, it names the champion that was in force before.
    for alias, digest in ((FALLBACK, fallback), (CHAMPION, champion)):
        yield from _find_alias(
            platform, task, alias, digest, None if digest is None else find_bearer(versions, digest, entries)
        )
    bearer = None if champion is None else find_bearer(versions, champion, entries)
    if bearer is not None:
        yield from _find_tags(platform, bearer, _read_since(entries, task, bearer.model_digest))


def find_leftovers(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield every model of a task in the repository that no route needs."""
    needed = names_in_service(platform.ledger.read(), task, platform.clock())
    for name in sorted(set(platform.server.staged(task)) - needed):
        yield Finding(f"{name} is loaded or staged, and no route needs it", lambda name=name: take_down(platform, name))  # type: ignore[misc]


def find_head_copy(platform: Platform, task: str) -> Iterator[Finding]:
    """Yield that the registry's copy of the ledger's head is missing, older than the last promotion, or not on its way.

    A copy that the ledger does not go through is never replaced: it is the witness of what was cut.
    """
    entries = platform.ledger.read()
    done = [entry for entry in entries if entry.kind == PROMOTION and entry.content.get("step") == DONE]
    promotions = [entry.sequence for entry in done if entry.task == task]
    copy = platform.registry.read_model_tag(task, HEAD_COPY)
    try:
        known = 0 if copy is None else platform.ledger.read_copy(entries, copy).sequence
    except ValueError as unsealed:
        yield Finding(f"the ledger's head kept in MLflow {unsealed}", lambda: copy_head(platform, task, entries))
        return
    except IntegrityError as cut:
        yield Finding("the ledger does not go through the head kept in MLflow", problem=_explain_cut(cut, task))
        return
    if promotions and known < promotions[-1]:
        yield Finding(
            "the ledger's head is not kept in MLflow since the last promotion",
            lambda: copy_head(platform, task, entries),
        )


def copy_head(platform: Platform, task: str, entries: Sequence[Entry]) -> None:
    """Keep the ledger's head with the registered model, and say it in the log: two witnesses elsewhere."""
    text = platform.ledger.copy_head(entries)
    platform.registry.set_model_tag(task, HEAD_COPY, text)
    print(f"ledger head: {text}", flush=True)


def take_down(platform: Platform, name: str) -> None:
    """Unload a model and take it out of the repository."""
    platform.server.unload(name)
    platform.server.remove(name)


def names_in_service(entries: Sequence[Entry], task: str, at: datetime) -> set[str]:
    """Return the Triton names that a route needs: of its models, shadow and fallback, and of those just leaving.

    Args:
        entries: All of the ledger.
        task: Family.
        at: Aware.
    """
    route = read_route(entries, task)
    if route is None:
        return set()
    needed = {*route.models, route.shadow, route.fallback}
    for left, taken in pairwise(list_route_rows(entries, task)):
        if at - datetime.fromisoformat(taken.at) < LEAVING:
            needed |= set(route_of(left).models)
    return {serving_name(task, digest) for digest in needed if digest is not None}


def _find_alias(
    platform: Platform, task: str, alias: str, digest: str | None, wanted: ModelVersion | None
) -> Iterator[Finding]:
    registry = platform.registry
    bearer = registry.find_alias(task, alias)
    if digest is None:
        if bearer is not None:
            text = f"the alias {alias} is on version {bearer.number}, the ledger has no {alias}"
            yield Finding(text, lambda: registry.remove_alias(task, alias))
    elif wanted is None:
        lost = IntegrityError(
            f"the registry has no version of {task} with the model {digest[:12]}, its {alias}",
            rule="what serves is a version of the registry",
            remedy="restore MLflow's database from a backup",
        )
        yield Finding(f"the {alias} is not in the registry", problem=lost)
    elif bearer is None or bearer.number != wanted.number:
        on = "on no version" if bearer is None else f"on version {bearer.number}"
        text = f"the alias {alias} is {on}, the ledger says version {wanted.number}"
        yield Finding(text, lambda: registry.set_alias(wanted, alias))


def _find_tags(platform: Platform, champion: ModelVersion, since: datetime) -> Iterator[Finding]:
    registry = platform.registry
    if not champion.was_champion:
        moment = since.isoformat(timespec="seconds")
        text = f"{champion} does not say since when it is in service"
        yield Finding(text, lambda: registry.set_tag(champion, PROMOTED_AT, moment))
    challenger = registry.find_alias(champion.task, CHALLENGER)
    if challenger is not None and challenger.number == champion.number:
        text = f"{champion} is champion and still has the alias {CHALLENGER}"
        yield Finding(text, lambda: registry.remove_alias(champion.task, CHALLENGER))


def _read_since(entries: Sequence[Entry], task: str, digest: str) -> datetime:
    rows = [row for row in list_route_rows(entries, task) if route_of(row).sole_model == digest]
    return datetime.fromisoformat(rows[-1].at)


def _explain_cut(cut: IntegrityError, task: str) -> IntegrityError:
    return IntegrityError(
        f"{cut.problem} (by the copy in MLflow, tag {HEAD_COPY} of {task})",
        rule="the ledger only grows, and MLflow keeps its head of the last promotion",
        remedy=RUNBOOK,
    )
