"""A process that promotes again and again on the ledger alone, and says what became of each round.

`python -m tests.chaos.promoter NUMBER ROUNDS`; the settings come from the environment. An even one takes over what it
finds claimed, as if the other had died, though it lives; an odd one waits its turn.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.unit.ledger.books import open_book
from voxloop.errors import RefusedError
from voxloop.ledger.book import Ledger
from voxloop.release.champion import read_champion
from voxloop.release.claims import close_claim, find_open, flip, take_claim, void_claim
from voxloop.release.versions import MODEL_DIGEST, ModelVersion
from voxloop.settings import Settings, child_environment, get_settings, now


def promote(ledger: Ledger, promoter: int, number: int) -> str:
    """Try to make a model of one's own the champion; return the act of the flip, or `refused`."""
    version = ModelVersion("emotion", number, "run", {MODEL_DIGEST: f"{promoter:02x}{number:06x}" * 8})
    entries = ledger.read()
    replaces, standing = read_champion(entries, "emotion"), find_open(entries, "emotion")
    if standing is not None and promoter % 2 == 0:
        void_claim(ledger, standing, because=f"taken over by {promoter}", at=now(), is_final=False)
    try:
        claim = take_claim(ledger, version, replaces=replaces, place=f"place-{promoter}", at=now())
        row = flip(ledger, claim, at=now(), because=replaces or "none")
    except RefusedError:
        return "refused"
    close_claim(ledger, claim, at=now())
    return row.act


def start_promoter(settings: Settings, promoter: int, rounds: int) -> subprocess.Popen[str]:
    """Start a promoter on the ledger of these settings."""
    command = [sys.executable, "-m", "tests.chaos.promoter", str(promoter), str(rounds)]
    return subprocess.Popen(command, env=child_environment(settings.environment()), stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    book = open_book(get_settings().ledger)
    print(json.dumps([promote(book, int(sys.argv[1]), number) for number in range(1, int(sys.argv[2]) + 1)]))
