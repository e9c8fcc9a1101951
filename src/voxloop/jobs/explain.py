"""Why something serves: the whole chain of a retraining, from its reason to what answers now, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from voxloop.errors import InputError

if TYPE_CHECKING:
    from voxloop.ledger.entry import Entry
    from voxloop.monitoring.retraining import Attempt, Retraining

MODEL_KINDS = ("judgement", "registration", "approval", "promotion", "route", "rollback", "void", "bootstrap")
"""Kinds of entries whose subject is a model."""
REGISTRATION = "registration"
SHORTEST = 8
"""Characters of a digest that are enough to name a model."""


def explain(name: str) -> None:
    """Print where a model comes from: reason, data, arguments, attempts, verdicts, approval, promotion, what serves.

    All of it is read from the ledger, and from nothing else.

    Args:
        name: A family (what serves it now), a model's digest, served name (`emotion-3f9a1c…`) or version (`emotion/3`),
            or a retraining's id.

    Raises:
        InputError: The ledger knows nothing of that name.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    from voxloop.ledger.book import open_ledger
    from voxloop.settings import get_settings

    for line in write_page(open_ledger(get_settings()).read(), name):
        print(line, flush=True)


def write_page(entries: Sequence[Entry], name: str) -> list[str]:
    """Return the page, line by line.

    Args:
        entries: All of the ledger.
        name: As for `explain`.

    Raises:
        InputError: The ledger knows nothing of that name.
    """
    from voxloop.jobs.explain_decisions import tell_decisions, tell_episode, tell_family
    from voxloop.monitoring.retraining import find_retraining

    retraining = find_retraining(entries, name)
    of_family = tell_family(entries, name)
    if retraining is None and (decided := tell_episode(entries, name)):
        return [f"{name}: no retraining came of it", *decided]
    if of_family and not _serves(entries, name):
        return [f"{name} is served by nothing now", *of_family]
    if retraining is not None:
        model = _find_outcome(entries, retraining)
    else:
        model = _find_model(entries, name)
        retraining = _find_origin(entries, model)
    lines = _tell_retraining(retraining) if retraining else ["no retraining of the ledger made it: it was run by hand"]
    decided = tell_decisions(entries, retraining)
    return [*lines, *decided, *(_tell_model(entries, model) if model else ["no model came of it"]), *of_family]


def _serves(entries: Sequence[Entry], task: str) -> bool:
    from voxloop.release.champion import read_champion

    return read_champion(entries, task) is not None


def _find_model(entries: Sequence[Entry], name: str) -> str:
    from voxloop.release.champion import read_champion

    families = {entry.task for entry in entries}
    if name in families and (champion := read_champion(entries, name)):
        return champion
    known = _find_registered(entries, name) if "/" in name else _find_digests(entries, name.rpartition("-")[2])
    if len(known) != 1:
        raise InputError(
            f"the ledger knows {len(known) or 'nothing'} of {name!r}",
            rule=f"a family in service, a model by {SHORTEST} or more characters of its digest or by its version, "
            "such as emotion/3, or a retraining's id",
            remedy="voxloop ledger show, or voxloop ledger show FAMILY, names them",
        )
    return known[0]


def _find_digests(entries: Sequence[Entry], digest: str) -> list[str]:
    if len(digest) < SHORTEST:
        return []
    return sorted(
        {entry.subject for entry in entries if entry.kind in MODEL_KINDS and entry.subject.startswith(digest)}
    )


def _find_registered(entries: Sequence[Entry], version: str) -> list[str]:
    return [
        entry.subject
        for entry in entries
        if entry.kind == REGISTRATION and f"{entry.task}/{entry.content['version']}" == version
    ]


def _find_outcome(entries: Sequence[Entry], retraining: Retraining) -> str | None:
    """Return the model of a retraining: by its attempts, else by what was registered for it.

    An attempt that was killed after it had registered says nothing, and one on a cluster cannot.
    """
    told = [attempt.outcome.get("model") for attempt in retraining.attempts]
    made = [entry.subject for entry in entries if _registered_for(entry) == retraining.retrain_id]
    return next((model for model in (*reversed(told), *reversed(made)) if model), None)


def _find_origin(entries: Sequence[Entry], model: str) -> Retraining | None:
    from voxloop.monitoring.retraining import list_retrainings

    named = {_registered_for(entry) for entry in entries if entry.subject == model}
    made = [
        retraining
        for retraining in list_retrainings(entries)
        if retraining.retrain_id in named
        or any(attempt.outcome.get("model") == model for attempt in retraining.attempts)
    ]
    return made[-1] if made else None


def _registered_for(entry: Entry) -> str | None:
    return entry.content.get("retrain_id") if entry.kind == REGISTRATION else None


def _tell_retraining(found: Retraining) -> list[str]:
    arguments = found.bound["arguments"]
    told = [f"{name}={value}" for name, value in sorted(arguments.items()) if value not in ("", [], None, False)]
    lines = [
        f"{found.retrain_id}: {found.state}",
        f"  reason     {found.reason}",
        f"  because    {found.claim.content['because']}",
        *([f"  asked by   {', '.join(found.asked_by)}"] if found.asked_by else []),
        f"  claimed    {found.claim.at[:19]} UTC, ledger entry {found.claim.sequence}",
        f"  data       {found.bound['data'] or 'none of a folder: the corpus is made, or lies on another machine'}",
        f"  arguments  {' '.join(told)}",
    ]
    for join in found.joined:
        reason = join.content["reason"]
        lines += [f"  joined by  {reason['kind']} {reason['episode']}, {join.at[:19]} UTC"]
    return [*lines, *map(_tell_attempt, found.attempts)]


def _tell_attempt(attempt: Attempt) -> str:
    why = f" ({attempt.began.content['because']})" if attempt.began.content["because"] else ""
    return f"  attempt {attempt.number}  {attempt.began.at[:19]} UTC{why}: {attempt}"


def _tell_model(entries: Sequence[Entry], model: str) -> list[str]:
    from voxloop.release.champion import read_champion

    rows = [entry for entry in entries if entry.subject == model and entry.kind in MODEL_KINDS]
    lines = [f"model {model}"]
    lines += [f"  {row.at[:19]} UTC  {row.sequence:>5}  {row.kind:<12} {_describe(row)}" for row in rows]
    for task in sorted({row.task for row in rows}):
        champion = read_champion(entries, task)
        lines.append(f"  {task} is served by {'this model' if champion == model else (champion or 'nothing')} now")
    return lines


def _describe(row: Entry) -> str:
    content = row.content
    named = ("verdict", "version", "by", "because")
    return ", ".join(f"{name} {content[name]}" for name in named if content.get(name) not in (None, ""))
