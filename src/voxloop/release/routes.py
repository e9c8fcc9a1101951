"""A route: which models answer a family's requests, and in what shares. The newest route row of the ledger is in force.

Promotion, rollback, canary, A/B, shadow and kill switch are all ways to write that row.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.ledger.book import Ledger
from voxloop.ledger.entry import ROUTE, Draft, Entry

NO_MODEL = "none"
"""Subject of a route that names no model."""
ROUNDING = 1e-9
"""How far a sum of weights may be from 1: what adding a few dozen decimal fractions loses."""
LONGEST_SALT = 128
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = frozenset({"weights", "shadow", "is_on", "salt", "fallback"})


@dataclass(frozen=True)
class Route:
    """Who answers the requests of one family.

    Args:
        task: Family.
        weights: Share of the callers by model digest, finite, at least 0, 1 in all; empty only while the route is off.
        shadow: Digest of a model that is asked too and whose answers reach nobody.
        is_on: False is the kill switch: nobody is answered.
        salt: Callers fall into the same shares as long as it stays.
        fallback: Digest of the model kept warm, to go back to.

    Raises:
        InputError: One of these is otherwise.
    """

    task: str
    weights: Mapping[str, float]
    shadow: str | None
    is_on: bool
    salt: str
    fallback: str | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", MappingProxyType(dict(self.weights)))
        if not isinstance(self.task, str) or not self.task:
            raise _unfit("task", self.task, "it names a family")
        if not isinstance(self.is_on, bool):
            raise _unfit("is_on", self.is_on, "true or false")
        if not isinstance(self.salt, str) or not (0 < len(self.salt) <= LONGEST_SALT and self.salt.isprintable()):
            raise _unfit("salt", self.salt, f"1 to {LONGEST_SALT} printable characters")
        for name, digest in (
            ("shadow", self.shadow),
            ("fallback", self.fallback),
            *(("model", one) for one in self.weights),
        ):
            if (digest is not None or name == "model") and not _is_digest(digest):
                raise _unfit(name, digest, "a model is named by its SHA-256, 64 small hexadecimal digits")
        self._check_weights()
        if self.shadow in self.models:
            raise _unfit("shadow", self.shadow, "a shadow answers nobody, and this one has a weight")
        if self.fallback is not None and self.models == (self.fallback,):
            raise _unfit("fallback", self.fallback, "it is another model than the one that answers everybody")

    @property
    def models(self) -> tuple[str, ...]:
        """Digests of the models that answer anybody, sorted."""
        return tuple(sorted(digest for digest, weight in self.weights.items() if weight > 0))

    @property
    def sole_model(self) -> str | None:
        """Digest of the model that has the whole weight; None while it is shared."""
        return self.models[0] if len(self.models) == 1 else None

    def choose(self, caller_id: str) -> str:
        """Return the digest of the model that answers a caller: always the same one while weights and salt stay.

        Each model draws a waiting time from a keyed hash of the caller, exponential with its weight for a rate; the
        first wins, which it does with the probability of its weight (weighted rendezvous hashing). A weight that is
        raised, the others keeping their proportions, moves callers to that model and nowhere else.

        Args:
            caller_id: Whoever asks; any text.

        Raises:
            RefusedError: The route is off.
        """
        if not self.is_on:
            raise RefusedError(
                f"the route of {self.task} is switched off",
                rule="nobody is answered until a person switches it on",
                remedy=f"see voxloop ledger show --kind {ROUTE}",
            )
        return min(self.models, key=lambda digest: (self._wait(digest, caller_id), digest))

    def as_payload(self) -> dict[str, object]:
        """Return everything but the family as JSON values."""
        return {
            "weights": dict(self.weights),
            "shadow": self.shadow,
            "is_on": self.is_on,
            "salt": self.salt,
            "fallback": self.fallback,
        }

    def _wait(self, digest: str, caller_id: str) -> float:
        text = (digest + caller_id).encode(errors="surrogatepass")  # a digest has one length: no two pairs are one text
        drawn = int.from_bytes(hmac.digest(self.salt.encode(), text, "sha256")[:8])
        uniform = ((drawn >> 12) + 0.5) / 2**52  # never 0 and, with 53 significant bits, never rounded to 1
        return -math.log(uniform) / self.weights[digest]

    def _check_weights(self) -> None:
        for weight in self.weights.values():
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not is_number or not math.isfinite(weight) or weight < 0:
                raise _unfit("weight", weight, "a finite number, at least 0")
        if not self.weights and not self.is_on:
            return
        if not self.weights:
            raise _unfit("weights", dict(self.weights), "a route that is on names at least one model")
        if abs((total := math.fsum(self.weights.values())) - 1) > ROUNDING:
            raise _unfit("weights", total, "they sum to 1")


def parse_route(task: str, payload: Mapping[str, Any]) -> Route:
    """Return the route that `Route.as_payload` gave.

    Args:
        task: Family.
        payload: Exactly the five fields.

    Raises:
        InputError: A field is missing, unknown or not acceptable.
    """
    if not isinstance(payload, Mapping) or payload.keys() != _FIELDS:
        raise _unfit("payload", payload, f"exactly {', '.join(sorted(_FIELDS))}")
    if not isinstance(payload["weights"], Mapping):
        raise _unfit("weights", payload["weights"], "a share by model digest")
    return Route(task=task, **payload)


def draft_route(route: Route, *, act: str, at: datetime, because: str = "") -> Draft:
    """Return the ledger entry that puts a route in force.

    Args:
        route: The route.
        act: Unique name of the act that writes it, such as `route/rollback/…`: its second part says what kind it was.
        at: Aware.
        because: Why, for a person; no name of a speaker.
    """
    payload = {"route": route.as_payload(), "because": because}
    subject = max(route.models, key=lambda digest: (route.weights[digest], digest), default=NO_MODEL)
    return Draft(kind=ROUTE, task=route.task, subject=subject, act=act, payload=payload, at=at)


def record_route(ledger: Ledger, route: Route, *, act: str, at: datetime, because: str = "") -> Entry:
    """Put a route in force, whatever was in force before; an act that runs twice writes once.

    Args:
        ledger: The book.
        route: As `draft_route`, so are act, at and because.
        act: Of the writer.
        at: Aware.
        because: Why.

    Raises:
        IntegrityError: The act wrote another route before, or the end of the ledger is not as it was left.
        ServiceUnavailableError: The ledger does not answer.
    """
    return ledger.append(draft_route(route, act=act, at=at, because=because))


def read_route(entries: Iterable[Entry], task: str) -> Route | None:
    """Return the route in force: that of the newest route row of a family; None where there is none.

    Args:
        entries: All of the ledger, by sequence.
        task: Family.

    Raises:
        IntegrityError: The row is none that this version can read.
    """
    rows = [entry for entry in entries if entry.kind == ROUTE and entry.task == task]
    return route_of(rows[-1]) if rows else None


def route_of(entry: Entry) -> Route:
    """Return the route in a route row.

    Raises:
        IntegrityError: It is none that this version can read.
    """
    try:
        return parse_route(entry.task, entry.content["route"])
    except (InputError, KeyError, TypeError) as unreadable:
        raise IntegrityError(
            f"ledger entry {entry.sequence} holds no route ({unreadable})",
            rule="what is served must be known",
            remedy="use the version of voxloop that wrote it",
        ) from None


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _unfit(name: str, value: object, rule: str) -> InputError:
    return InputError(f"{name} = {str(value)[:80]!r} of a route", rule=rule, remedy=f"give another {name}")
