"""Duplicate and concurrent reasons to train again, their processes killed in between: each is served, once."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from tests.chaos.retrainer import start_retrainer
from voxloop.ledger.database import FILE_NAME
from voxloop.monitoring.retraining import Reason
from voxloop.settings import Settings

TRIGGERS, AT_ONCE = 100, 4
REASONS = [
    (task, kind, episode)
    for task in ("emotion", "asr")
    for kind, episode in (("night", "2026-01-02"), ("drift", "accent"), ("drift", "noise"), ("asked", "ann"))
]


def read_ledger(settings: Settings) -> list[dict[str, Any]]:
    """Return kind, family, subject and payload of all entries, by stock SQLite."""
    with closing(sqlite3.connect(f"file:{settings.ledger / FILE_NAME}?mode=ro", uri=True)) as book:
        rows = book.execute("SELECT kind, task, subject, payload FROM ledger_entry ORDER BY sequence").fetchall()
    return [{"kind": kind, "task": task, "id": subject, **json.loads(payload)} for kind, task, subject, payload in rows]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_reason_is_served_once_whoever_is_killed(settings: Settings) -> None:
    draw = random.Random(20261129)  # noqa: S311 - moments, not secrets
    triggers = max(12, settings.trial_count(TRIGGERS))
    (settings.home / "corpus").mkdir(parents=True)
    (settings.home / "corpus" / "labels.csv").write_text("happy\n", encoding="utf-8")
    running: list[subprocess.Popen[bytes]] = []
    kills = 0
    for number in range(triggers):
        running.append(start_retrainer(settings, *draw.choice(REASONS)))
        if number == triggers // 2:  # a label arrives in the middle
            (settings.home / "corpus" / "labels.csv").write_text("happy\nangry\n", encoding="utf-8")
        time.sleep(draw.uniform(0.0, 0.5))
        while len(running) >= AT_ONCE:
            victim = running.pop(draw.randrange(len(running)))
            if draw.random() < 0.7 and victim.poll() is None:
                victim.kill()
                kills += 1
            victim.wait(120)
    for one in running:
        one.kill()
        one.wait(120)
    for reason in REASONS:  # what the scheduler does once it is back
        assert start_retrainer(settings, *reason).wait(120) in (0, 3), "served, or failed for its data: never neither"
    assert not list(settings.home.glob("overlap-*")), "one open retraining a family"
    entries = read_ledger(settings)
    kinds = Counter(entry["kind"] for entry in entries)
    given = Counter(entry["id"] for entry in entries if entry["kind"] in ("retraining", "retraining_joined"))
    assert given == Counter(Reason(*reason).retrain_id for reason in REASONS), "none lost, none claimed twice"
    ended = [entry for entry in entries if entry["kind"] == "attempt_ended"]
    claimed = {entry["id"] for entry in entries if entry["kind"] == "retraining"}
    assert {entry["id"] for entry in ended} == claimed
    assert len(ended) == kinds["attempt"] == kinds["retraining"], "an attempt each, ended"
    failed = [entry["id"] for entry in ended if "error" in entry]
    assert all("its data changed" in entry["error"] for entry in ended if "error" in entry)
    versions = [entry["version"] for entry in ended if "error" not in entry]
    made = {path.name for path in (settings.home / "versions").iterdir() if not path.name.startswith(".")}
    assert len(set(versions)) == len(versions) == len(claimed) - len(failed)
    named = {f"{entry['version']}-{entry['id']}" for entry in ended if "error" not in entry}
    assert named <= made
    assert {name.partition("-")[2] for name in made - named} <= set(failed), "a version of an attempt given up at most"
    print(
        f"{triggers} triggers of {len(REASONS)} reasons, {kills} killed: {kinds['retraining']} retrainings, "
        f"{kinds['retraining_joined']} joined, {len(failed)} given up for their data, {len(versions)} versions"
    )
