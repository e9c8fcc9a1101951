"""What a model card says beside its figures: the verdict with its reasons, what it stands on, what it leaves open."""

from __future__ import annotations

import json
from collections.abc import Sequence

from voxloop.data.report_markup import escape_text, make_fold, make_list, make_note, make_section, make_table
from voxloop.evaluation.card import Card
from voxloop.evaluation.judgement import Reason
from voxloop.verdict import Verdict

_COLOURS = {Verdict.PASS: "#1b7f3b", Verdict.FAIL: "#b3261e", Verdict.CANNOT_TELL: "#8a6100"}


def show_verdict(card: Card) -> str:
    """Return the verdict and its reasons; those that pass are folded, for they are many."""
    if card.verdict is None:
        return make_section("Verdict", make_note("Not judged: no verdict was given with this evaluation."))
    colour = _COLOURS[card.verdict]
    parts = [f'<p style="font-size: 1.3rem; font-weight: 700; color: {colour}">{escape_text(card.verdict)}</p>']
    parts.append(make_note(card.claim_text))
    if card.because:
        parts.append(make_note(f"First champion, without a comparison: {card.because}"))
    objecting = [one for one in card.reasons if one.verdict is not Verdict.PASS]
    passing = [one for one in card.reasons if one.verdict is Verdict.PASS]
    parts += [_table_reasons(objecting)] if objecting else []
    parts += [make_fold(f"{len(passing):,} reasons that pass", _table_reasons(passing))] if passing else []
    return make_section("Verdict", *parts)


def _table_reasons(reasons: Sequence[Reason]) -> str:
    rows = [(str(one.verdict), one.place, one.text, f"{one.utterances:,} / {one.speakers:,}") for one in reasons]
    return make_table(("verdict", "rule", "because", "utterances / speakers"), rows)


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
    return make_section(
        "What it stands on", make_list(facts), make_fold("the policy, every number", f"<pre>{policy}</pre>")
    )


def escape_policy(card: Card) -> str:
    """Return every number of the policy as lines of JSON, harmless."""
    lines = json.dumps(card.policy_content, indent=2, sort_keys=True).splitlines()
    return "\n".join(escape_text(line) for line in lines)


def show_caveats(card: Card) -> str:
    """Return what a reader must know beside the figures."""
    lines = "".join(f"<li>{escape_text(line)}</li>" for line in card.caveats)
    return make_section("What the figures do not say", f"<ul>{lines}</ul>")
