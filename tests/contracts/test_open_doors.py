"""What answers without credentials is written down once for people, and is what the servers' own lists say."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from voxloop.approval_app import routes
from voxloop.gateway import guard
from voxloop.runners import airflow_door

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "open_doors.md"
ROW = re.compile(
    r"^\| (?P<server>[^|]+) \| (?P<answers>[^|]+) \| (?P<why>[^|]+) \| \[[^]]+\]\((?P<test>[^)]+)\) \|$", re.MULTILINE
)


def read_rows() -> list[dict[str, str]]:
    """Return the rows of the page's table."""
    return [found.groupdict() for found in ROW.finditer(PAGE.read_text(encoding="utf-8"))]


def test_the_page_lists_what_the_servers_leave_open_and_nothing_else() -> None:
    written = defaultdict[str, set[str]](set)
    for row in read_rows():
        written[row["server"]] |= set(re.findall(r"`([^`]+)`", row["answers"]))
    assert written == {
        "MLflow": {f"{method} {path}" for method, path in routes.OPEN},
        "gateway": set(guard.OPEN),
        "gateway, administration": set(),
        "Airflow": {f"{method} {path}" for method, path in airflow_door.OPEN} | {f"GET {airflow_door.FILES}*"},
    }
    assert f"more than {airflow_door.LONGEST} bytes" in PAGE.read_text(encoding="utf-8")


def test_each_row_has_a_reason_and_a_test_that_asks_for_every_route() -> None:
    rows = read_rows()
    assert len(rows) == PAGE.read_text(encoding="utf-8").count("\n| ") - 2
    for row in rows:
        assert len(row["why"].split()) > 3
        asked = (PAGE.parent / row["test"]).read_text(encoding="utf-8")
        assert re.search(r"^from voxloop.* import .*\bOPEN\b", asked, re.MULTILINE), row["test"]
