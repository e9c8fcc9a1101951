"""The last questions before a model takes over: does it answer as evaluation does, in time and in little memory?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxloop.errors import IntegrityError, ServiceUnavailableError, VoxloopError
from voxloop.release.budgets import LatencyBudget, ProbeBudgets
from voxloop.release.probe import TOLERANCE
from voxloop.release.systems import Platform, Reference, Served, Server
from voxloop.tasks.output_difference import difference

MIB = 2**20
CONFIG = "configs/release.yaml"
BEFORE_STAYS = "the model before it stays in service"


@dataclass(frozen=True)
class Examination:
    """What a model showed.

    Args:
        difference: Largest difference of an output from evaluation's.
        p95_ms: Of one request, ms.
        champion_p95_ms: The same of the champion, asked in turn; None without one that could be asked.
        memory_bytes: Resident memory of its processes at most; None where that cannot be told.
    """

    difference: float
    p95_ms: float
    champion_p95_ms: float | None
    memory_bytes: int | None


def examine(platform: Platform, name: str, model: Path, *, champion: str | None) -> Examination:
    """Ask a loaded model about every kind of sound, beside evaluation and beside the champion.

    Args:
        platform: Where it is loaded.
        name: The model.
        model: Its verified folder.
        champion: The model in service, by its name on the server; None without one, or when it is the same.

    Raises:
        IntegrityError: It answers otherwise than evaluation does.
        VoxloopError: It is over a budget, or takes what cannot be told.
        ServiceUnavailableError: The server does not answer, or does not serve the champion.
    """
    server, budgets = platform.server, platform.budgets
    served = server.open(name)
    found = compare_with_evaluation(name, platform.open_reference(model), served)
    beside = None if champion is None else open_champion(server, champion, budgets)
    ours, theirs = hold_latency(name, served, beside, budgets.latency)
    return Examination(found, ours, theirs, hold_memory(name, server, budgets))


def compare_with_evaluation(name: str, reference: Reference, served: Served) -> float:
    """Return the largest difference between what the server and evaluation answer to every kind of request.

    Both decode with the family's own `decode`, each by its own copy of what the family learnt: of the same outputs
    they must say the same.

    Raises:
        IntegrityError: They do not.
    """
    worst = 0.0
    for kind, request in reference.requests():
        answered = served.answer(request)
        found = difference(reference.answer(request), answered)
        if not found <= TOLERANCE:
            raise IntegrityError(
                f"{name} answers a sound ({kind}) with a difference of {found:.2g}",
                rule=f"at most {TOLERANCE:g} between evaluation and server",
                remedy=f"{BEFORE_STAYS}; export and register again",
            )
        if served.decode(answered) != reference.decode(answered):
            raise IntegrityError(
                f"{name} says other words than evaluation for the same answer ({kind})",
                rule="labels and encoding on the server are those that were evaluated",
                remedy=f"{BEFORE_STAYS}; export and register again",
            )
        worst = max(worst, found)
    return worst


def open_champion(server: Server, champion: str, budgets: ProbeBudgets) -> Served | None:
    """Return the champion to be timed beside; None where it is not served and that is allowed.

    Raises:
        ServiceUnavailableError: It is not served.
    """
    try:
        return server.open(champion)
    except ServiceUnavailableError as absent:
        if budgets.unmeasured == "allow":
            return None
        raise ServiceUnavailableError(
            f"{absent.problem}: whether the new model is slower than the champion cannot be told",
            rule="what cannot be told does not take over",
            remedy=f"run `voxloop reconcile`, which serves it again; or set probe.unmeasured to allow in {CONFIG}",
        ) from None


def hold_latency(name: str, ours: Served, theirs: Served | None, budget: LatencyBudget) -> tuple[float, float | None]:
    """Return the p95 of a model and of the champion beside it, ms, within budget.

    Raises:
        VoxloopError: It is over budget in every attempt.
    """
    asks = [_make_ask(one, budget.seconds) for one in (ours, theirs) if one is not None]
    for _ in range(budget.attempts):
        taken, *rest = time_in_turn(asks, budget.rounds)
        beside = rest[0] if rest else None
        if taken <= budget.bound(beside):
            return taken, beside
    told = "" if beside is None else f", the champion {beside:.1f} ms"
    raise VoxloopError(
        f"{name} is too slow: the p95 of {budget.seconds:g} s of sound is {taken:.1f} ms{told}",
        rule=f"at most {budget.bound(beside):.1f} ms, {budget.attempts} attempts ({CONFIG})",
        remedy=f"{BEFORE_STAYS}; make the model faster, or try again on a machine with less to do",
    )


def hold_memory(name: str, server: Server, budgets: ProbeBudgets) -> int | None:
    """Return the resident memory of a model at most, bytes; None where it cannot be told and that is allowed.

    Raises:
        VoxloopError: It is over budget, or cannot be told.
    """
    taken, limit = server.read_memory(name), budgets.memory.limit_mib
    if taken is None and budgets.unmeasured == "refuse":
        raise VoxloopError(
            f"the memory of {name} cannot be told: no process of its own is seen on this machine",
            rule="what cannot be told does not take over",
            remedy=f"measure where Triton runs, or set probe.unmeasured to allow in {CONFIG}; then name the version",
        )
    if taken is not None and taken > limit * MIB:
        raise VoxloopError(
            f"{name} takes {taken / MIB:.0f} MiB of memory",
            rule=f"at most {limit:g} MiB ({CONFIG})",
            remedy=f"{BEFORE_STAYS}; make the model smaller, or the budget larger",
        )
    return taken


def time_in_turn(asks: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the p95 of the time each takes, ms; a first round is not counted.

    They are asked in turn, so that a busy moment meets all of them.
    """
    taken: list[list[float]] = [[] for _ in asks]
    for _ in range(rounds + 1):
        for place, ask in enumerate(asks):
            started = time.perf_counter()
            ask()
            taken[place].append(1e3 * (time.perf_counter() - started))
    return [find_p95(one[1:]) for one in taken]


def find_p95(values: Sequence[float]) -> float:
    """Return the 95th percentile by nearest rank: a value that was measured."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _make_ask(model: Served, seconds: float) -> Callable[[], object]:
    request = model.make_golden(seconds)
    return lambda: model.answer(request)
