"""The documents: every relative link leads somewhere, and every decision has its four parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("terraform/*.md"), *ROOT.glob("serving/*.md")]
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/adr/*.md")), ids=lambda page: page.name)
def test_every_decision_has_its_four_parts_and_stays_under_a_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parts = ["## Context", "## Decision", "## Consequences", "## What would change our mind"]
    assert [line for line in text.splitlines() if line.startswith("## ")] == parts
    assert text.startswith(f"# {page.name[:4]}: ")
    assert len(text.split()) < 450


def test_the_decisions_are_numbered_without_a_gap_and_listed() -> None:
    names = [page.name for page in sorted(ROOT.glob("docs/adr/*.md"))]
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert all(f"adr/{name}" in architecture for name in names)
