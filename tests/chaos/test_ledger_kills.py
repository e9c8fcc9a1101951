"""Several processes append at once, and some are killed by force: no gap, no break, nothing acknowledged is lost."""

from __future__ import annotations

import random
import time
from itertools import count

import pytest

from tests.chaos.ledger_writer import read_acknowledged, start_writer
from tests.unit.ledger.books import make_draft
from voxloop.ledger.book import open_ledger
from voxloop.settings import Settings

KILLS = 300
WRITERS = 3


def test_several_processes_append_at_once(settings: Settings) -> None:
    writers = [start_writer(settings, f"writer-{number}", 20) for number in range(WRITERS)]
    told = [read_acknowledged(writer) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    entries = open_ledger(settings).verify()
    assert [entry.sequence for entry in entries] == list(range(1, 20 * WRITERS + 1))
    assert sorted(act for acts in told for act in acts) == sorted(entry.act for entry in entries)
    for name in range(WRITERS):
        mine = [entry.act for entry in entries if entry.act.startswith(f"writer-{name}/")]
        assert mine == [f"writer-{name}/{number}" for number in range(1, 21)]


def test_the_same_acts_by_several_processes_are_written_once(settings: Settings) -> None:
    writers = [start_writer(settings, "same", 20) for _ in range(WRITERS)]
    for writer in writers:
        assert len(read_acknowledged(writer)) == 20
    assert [entry.act for entry in open_ledger(settings).verify()] == [f"same/{number}" for number in range(1, 21)]


@pytest.mark.timeout(3600)
def test_killed_while_appending_it_stays_whole_and_keeps_what_it_acknowledged(settings: Settings) -> None:
    kills = max(3, settings.trial_count(KILLS))
    draw = random.Random(20261121)  # noqa: S311 - moments, not secrets
    book, acknowledged, names = open_ledger(settings), set[str](), count()
    unacknowledged = 0
    for _ in range(kills):
        writers = [start_writer(settings, f"writer-{next(names)}", 10**6) for _ in range(2)]
        first = [writer.stdout.readline().strip() for writer in writers if writer.stdout]
        time.sleep(draw.uniform(0, 0.1))
        for writer in writers:
            writer.kill()
        told = {*first, *(act for writer in writers for act in read_acknowledged(writer))}
        acknowledged |= told
        entries = book.verify()
        assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
        assert acknowledged <= {entry.act for entry in entries}
        unacknowledged = len(entries) - len(acknowledged)
    assert unacknowledged <= 2 * kills
    assert book.append(make_draft(1)).sequence == len(entries) + 1
    print(f"{2 * kills} kills, {len(acknowledged)} acknowledged, {unacknowledged} written and not acknowledged")
