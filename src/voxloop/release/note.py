"""What the approver reads in the MLflow UI: the verdict with its reasons, and where the model card is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxloop.release.versions import NO_CARD
from voxloop.store.digests import digest_file

CARD_PAGE = "card.html"
REPORTS = "/voxloop/report"
"""Where MLflow's server shows a card by the digest of its bytes, and no other bytes."""


def digest_card(verdict: Path) -> str:
    """Return the digest of the model card's page in a verdict folder, or `none`: a verdict stands without its card."""
    page = verdict / CARD_PAGE
    return digest_file(page) if page.is_file() else NO_CARD


def write_note(verdict: Mapping[str, Any], card: str, link: str = "", retrain_id: str = "") -> str:
    """Return the verdict with its reasons as Markdown: what the approver reads in the MLflow UI.

    Args:
        verdict: Content of `verdict.json`.
        card: By `digest_card`.
        link: Where the UI keeps the model card among the artifacts of its run; without one it is named alone.
        retrain_id: The retraining that made it; empty without one.
    """
    lines = [f"**{verdict['verdict']}** under policy `{(verdict.get('policy') or {}).get('name', '?')}`"]
    if claim := verdict.get("claim_text"):
        lines[0] += f": {claim}"
    if because := (verdict.get("bootstrap") or {}).get("because"):
        lines.append(f"- first champion, without a comparison: {because}")
    lines += [f"- {reason['verdict']}: {reason['text']}" for reason in verdict.get("reasons", [])]
    named = f"[model card]({link}), [as it was judged]({REPORTS}/{card})" if link else "model card"
    lines.append("\nThere is no model card." if card == NO_CARD else f"\nRead the {named}, sha256 `{card}`.")
    if retrain_id:
        lines.append(f"\nMade for `{retrain_id}`: `voxloop explain {retrain_id}` says why.")
    return "\n".join(lines)
