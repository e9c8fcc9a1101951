"""Callers that ask the gateway without a pause, and a look at the ledger's file beside them: a process of its own.

`python swap_callers.py URL LEDGER OUT CALLERS`, with the key in the environment. It knows nothing of voxloop: HTTP and
SQLite. Until SIGTERM it asks; then it writes to OUT, as JSON, `answers` (began, ended, status, digest) and `routes`
(digest, written, seen): seconds since the epoch, by the row itself and by when it was seen, which is after its commit.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

WAV = {"Content-Type": "audio/wav"}
Answer = tuple[float, float, int, str]


def watch(ledger: Path, routes: list[tuple[str, float, float]], ended: threading.Event) -> None:
    """Note each route of emotion as soon as it can be read."""
    query = "SELECT sequence, at, payload FROM ledger_entry WHERE task = 'emotion' AND kind = 'route' AND sequence > ?"
    known = 0
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=60)) as connection:
        while not ended.wait(0.002):
            for sequence, at, payload in connection.execute(f"{query} ORDER BY sequence", (known,)).fetchall():
                known, (digest,) = sequence, json.loads(payload)["route"]["weights"]
                routes.append((digest, datetime.fromisoformat(at).timestamp(), time.time()))


async def call(url: str, key: str, sound: bytes, answers: list[Answer], ended: asyncio.Event) -> None:
    headers = {"Authorization": f"Bearer {key}", **WAV}
    async with httpx.AsyncClient(trust_env=False, timeout=60, headers=headers) as client:
        while not ended.is_set():
            began = time.time()
            try:
                said = await client.post(url, content=sound)
                status, digest = said.status_code, str(said.json().get("model_digest", said.text))
            except httpx.HTTPError as lost:
                status, digest = 0, repr(lost)
            answers.append((began, time.time(), status, digest))


async def ask_until_told(url: str, sound: bytes, callers: int) -> list[Answer]:
    ended, answers = asyncio.Event(), list[Answer]()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("asking", flush=True)
    await asyncio.gather(*(call(url, os.environ["GATEWAY_KEY"], sound, answers, ended) for _ in range(callers)))
    return answers


def main(url: str, ledger: str, out: str, callers: str) -> None:
    routes: list[tuple[str, float, float]] = []
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(Path(ledger), routes, ended))
    watcher.start()
    answers = asyncio.run(ask_until_told(url, sys.stdin.buffer.read(), int(callers)))
    ended.set()
    watcher.join()
    told: dict[str, Any] = {"answers": answers, "routes": routes}
    Path(out).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
