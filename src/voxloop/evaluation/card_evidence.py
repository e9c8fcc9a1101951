"""What a model card says beside its figures: the verdict with its reasons, what it stands on, what it leaves open."""

from __future__ import annotations

import json

from voxloop.data.report_markup import escape_text, make_list, make_note, make_section, make_table
from voxloop.evaluation.card import Card
from voxloop.verdict import Verdict

_COLOURS = {Verdict.PASS: "#1b7f3b", Verdict.FAIL: "#b3261e", Verdict.CANNOT_TELL: "#8a6100"}


def show_verdict(card: Card) -> str:
    """Return the verdict and its reasons, those that object first."""
    if card.verdict is None:
        return make_section("Verdict", make_note("Not judged: no verdict was given with this evaluation."))
    colour = _COLOURS[card.verdict]
    parts = [f'<p style="font-size: 1.3rem; font-weight: 700; color: {colour}">{escape_text(card.verdict)}</p>']
    parts.append(make_note(card.claim_text))
    if card.because:
        parts.append(make_note(f"First champion, without a comparison: {card.because}"))
    ranked = sorted(card.reasons, key=lambda reason: reason.verdict is Verdict.PASS)
    rows = [
        (str(one.verdict), one.place, one.text, f"{one.utterances:,} of {one.speakers:,} speakers") for one in ranked
    ]
    parts.append(make_table(("verdict", "rule", "because", "utterances"), rows))
    return make_section("Verdict", *parts)


def show_basis(card: Card) -> str:
    """Return what the figures were made from, by digest, and the policy in force."""
    champion = card.champion
    against = "none" if champion is None else f"version {champion.version}, {champion.model_digest}"
    facts = [
        ("task", card.task),
        ("model", card.model_digest),
        ("champion", against),
        ("dataset", card.dataset_digest),
        ("evaluation", card.evaluation_digest),
        ("policy", f"{card.policy.name}, {card.policy.digest}"),
        ("claim", f"{card.claim}: {card.claim_text}"),
        *((f"set {one.name}", f"{one.digest}, looks {'count' if one.counted else 'are free'}") for one in card.sets),
    ]
    policy = escape_policy(card)
    return make_section("What it stands on", make_list(facts), "<h3>Policy</h3>", f"<pre>{policy}</pre>")


def escape_policy(card: Card) -> str:
    """Return every number of the policy as lines of JSON, harmless."""
    lines = json.dumps(card.policy_content, indent=2, sort_keys=True).splitlines()
    return "\n".join(escape_text(line) for line in lines)


def show_caveats(card: Card) -> str:
    """Return what a reader must know beside the figures."""
    lines = "".join(f"<li>{escape_text(line)}</li>" for line in card.caveats)
    return make_section("What the figures do not say", f"<ul>{lines}</ul>")
