"""A process that appends to a ledger and says what was acknowledged, a line an entry.

`python -m tests.chaos.ledger_writer NAME COUNT`; the settings come from the environment.
"""

from __future__ import annotations

import subprocess
import sys

from tests.unit.ledger.books import make_draft
from voxloop.ledger.book import open_ledger
from voxloop.settings import Settings, child_environment, get_settings, now


def write(name: str, count: int) -> None:
    """Append, and say so after each."""
    book = open_ledger(get_settings())
    for number in range(1, count + 1):
        entry = book.append(make_draft(number, act=f"{name}/{number}", at=now()))
        print(entry.act, flush=True)


def start_writer(settings: Settings, name: str, count: int) -> subprocess.Popen[str]:
    """Start a writer on the ledger of these settings."""
    told = settings.environment()
    if settings.ledger_url is not None:
        told["VOXLOOP_LEDGER_URL"] = settings.ledger_url.get_secret_value()
    command = [sys.executable, "-m", "tests.chaos.ledger_writer", name, str(count)]
    return subprocess.Popen(command, env=child_environment(told), stdout=subprocess.PIPE, text=True)


def read_acknowledged(writer: subprocess.Popen[str]) -> list[str]:
    """Wait for the end of a writer and return what it said."""
    said, _ = writer.communicate()
    return said.split("\n")[:-1]  # what comes after the last line end was not said whole


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]))
