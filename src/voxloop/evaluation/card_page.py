"""`card.html`: a model card on one page that any browser shows: no script, no link, nothing loaded from elsewhere.

MLflow shows artifacts in a sandboxed frame, which reaches nothing of the pages round it; this page needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from voxloop.data.report_markup import (
    SOUND_PAGE,
    escape_text,
    make_declaration,
    make_list,
    make_note,
    make_player,
    make_section,
    make_table,
)
from voxloop.evaluation.card import Card, SetFigures, WorstUtterance
from voxloop.evaluation.card_evidence import show_basis, show_caveats, show_verdict
from voxloop.evaluation.card_family_sections import (
    show_confusion,
    show_durations,
    show_importances,
    show_reliability,
    show_traits,
)
from voxloop.evaluation.card_robustness_sections import show_behaviour, show_gaps, show_robustness, show_snrs
from voxloop.evaluation.card_sections import show_by_speaker, show_leads, show_measures, show_slices

Sounds = Mapping[str, bytes]
"""FLAC by utterance id."""

_SECTIONS: tuple[tuple[str, Callable[[SetFigures], Iterator[str]]], ...] = (
    ("Difference to the champion", show_leads),
    ("Measures", show_measures),
    ("Slices", show_slices),
    ("Groups beside each other", show_gaps),
    ("Under changed conditions", show_robustness),
    ("Behaviour", show_behaviour),
    ("Single speakers", show_by_speaker),
    ("Confusion", show_confusion),
    ("How sure, how right", show_reliability),
    ("Error by duration", show_durations),
    ("Error by signal-to-noise ratio", show_snrs),
    ("Answer against reference", show_traits),
    ("What the answers hang on", show_importances),
)


def write_page(card: Card, sounds: Sounds) -> str:
    """Return the page; the same card and sounds give the same bytes.

    Args:
        card: What to show.
        sounds: Players for some of the worst utterances.
    """
    title = f"Model card: {card.task} {card.model_digest[:12]}"
    body = [f"<h1>{escape_text(title)}</h1>", make_note(card.purpose), show_verdict(card)]
    body += [_show_sets(card, heading, show) for heading, show in _SECTIONS]
    body += [_show_sets(card, "Worst utterances", lambda one: _show_worst(one, sounds))]
    body += [show_basis(card), show_caveats(card)]
    declared = make_declaration(card.names())
    return SOUND_PAGE.substitute(title=escape_text(title), body="\n".join((declared, *filter(None, body))))


def _show_sets(card: Card, heading: str, show: Callable[[SetFigures], Iterator[str]]) -> str:
    """Return a section with a part for each set that has something to show; nothing without any."""
    parts: list[str] = []
    for one in card.sets:
        shown = list(show(one))
        if shown:
            told = f"{one.name}: {one.counts.utterances:,} utterances of {one.counts.speakers:,} speakers"
            parts += [f"<h3>{escape_text(told)}</h3>", *shown]
    return make_section(heading, *parts) if parts else ""


def _show_worst(one: SetFigures, sounds: Sounds) -> Iterator[str]:
    if not one.worst:
        return
    yield make_table(
        ("utterance", "speaker", "s", "what is wrong", "reference", "challenger", "champion"),
        [_describe(worst) for worst in one.worst],
    )
    played = [worst for worst in one.worst if worst.has_sound and worst.utterance_id in sounds]
    for worst in played:
        yield make_list([(worst.utterance_id, f"{worst.reference}, taken for {worst.challenger}")])
        yield make_player(sounds[worst.utterance_id])
    if not played:
        yield make_note("Without players: no dataset was named to take the sound from.")


def _describe(worst: WorstUtterance) -> tuple[object, ...]:
    seconds = "not known" if worst.duration_s is None else f"{worst.duration_s:.1f}"
    champion = "none" if worst.champion is None else worst.champion
    return (worst.utterance_id, worst.speaker_id, seconds, worst.problem, worst.reference, worst.challenger, champion)
