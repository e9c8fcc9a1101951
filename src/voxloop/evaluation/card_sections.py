"""The sections of a model card's page, each from the figures of one evaluation set; nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voxloop.data.report_markup import draw_histogram, escape_text, make_note, make_table
from voxloop.evaluation.card import Measured, SetFigures, SliceFigures
from voxloop.evaluation.card_pictures import (
    Mark,
    Row,
    draw_dots,
    draw_forest,
)
from voxloop.evaluation.card_shapes import OURS, THEIRS
from voxloop.evaluation.judgement import IntervalRecord

_MOST_NAMED = 10  # speakers of the table below their picture


def show_leads(one: SetFigures) -> Iterator[str]:
    """Yield the forest plot of the leads with the policy's bounds, and the histogram of speakers drawn again."""
    if not one.leads:
        return
    rows = [Row(lead.measure, (to_mark(lead.interval),), lead.bound) for lead in one.leads]
    yield draw_forest(rows, "lead of the challenger: right of the line is better, whatever the measure")
    method, level = one.leads[0].interval.method, f"{one.leads[0].interval.level:.0%}".replace("%", " %")
    asked = [
        f"{lead.measure} above {lead.bound:+.3f} ({(lead.kind or '').replace('_', '-')})"
        for lead in one.leads
        if lead.bound is not None
    ]
    yield make_note(f"{level} intervals, {method}. The policy asks (red dashes): {'; '.join(asked) or 'nothing here'}.")
    if (drawn := one.resampled) is not None:
        yield draw_histogram(drawn.counts, drawn.low, drawn.high, f"{drawn.measure}, {drawn.resamples:,} resamples")
        yield make_note("Speakers drawn again with replacement: a picture alone, nothing is decided by it.")


def show_measures(one: SetFigures) -> Iterator[str]:
    """Yield each model's measures with their intervals, as a picture and as a table."""
    if not one.measures:
        return
    yield draw_forest([_measured_row(found) for found in one.measures], "value", None)
    yield make_legend(both=any(found.champion for found in one.measures))
    yield make_note("Red dashes: the limit the policy sets.")
    yield make_table(
        ("measure", "better is", "challenger", "champion", "limit"),
        [
            (
                found.measure,
                "more" if found.larger_is_better else "less",
                tell_interval(found.challenger),
                tell_interval(found.champion),
                "none" if found.limit is None else f"{found.limit:.3f}",
            )
            for found in one.measures
        ],
    )


def show_slices(one: SetFigures) -> Iterator[str]:
    """Yield the lead (or the measure) in every slice that is not thin, and a table of all."""
    shown = [found for found in one.slices if not found.thin]
    if any(found.lead for found in shown):
        rows = [Row(found.name, (to_mark(found.lead),), found.bound) for found in shown if found.lead is not None]
        yield draw_forest(rows, f"{one.slice_measure} lead of the challenger: right of the line is better")
    elif shown:
        yield draw_forest(slice_rows(shown), one.slice_measure, None)
    if one.slices:
        yield table_slices(one.slices, one.slice_measure)


def show_by_speaker(one: SetFigures) -> Iterator[str]:
    """Yield a dot for each speaker, and the ten who fare worst by name."""
    if one.by_speaker is None or not one.by_speaker.speakers:
        return
    found = one.by_speaker
    leads = [(each.speaker_id, each.lead) for each in found.speakers if each.lead is not None]
    values = [(each.speaker_id, each.challenger) for each in found.speakers if each.challenger is not None]
    what = f"{found.measure} lead of the challenger" if leads else f"{found.measure} of the challenger"
    yield draw_dots(leads or values, f"{what}, a dot each speaker", 0.0 if leads else None)
    yield make_note("Shown, never gated. Those who fare worst with the challenger:")
    rows = [
        (each.speaker_id, each.utterances, *(_tell(value) for value in (each.challenger, each.champion, each.lead)))
        for each in found.speakers[:_MOST_NAMED]
    ]
    headings = ("speaker", "utterances", f"{found.measure}, challenger", f"{found.measure}, champion", "lead")
    yield make_table(headings, rows, rest=len(found.speakers) - len(rows))


def tell_interval(found: IntervalRecord | None) -> str:
    """Return `0.812 (0.742 to 0.881)`, or what of it is known."""
    if found is None:
        return "none"
    if found.estimate is None:
        return "cannot be measured"
    if found.low is None or found.high is None:
        return f"{found.estimate:.3f} (no interval)"
    return f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"


def _measured_row(found: Measured) -> Row:
    marks = (to_mark(found.challenger), *([] if found.champion is None else [to_mark(found.champion, THEIRS)]))
    return Row(found.measure, marks, found.limit)


def slice_rows(slices: Sequence[SliceFigures]) -> list[Row]:
    """Return a row a slice with the marks of both models."""
    pairs = [(found.name, ((found.challenger, OURS), (found.champion, THEIRS))) for found in slices]
    return [
        Row(name, tuple(to_mark(interval, colour) for interval, colour in marks if interval is not None))
        for name, marks in pairs
    ]


def table_slices(slices: Sequence[SliceFigures], measure: str) -> str:
    """Return a table of slices; a thin one says what it lacks."""
    rows = [
        (
            found.name,
            found.utterances,
            found.speakers,
            *(("thin", "thin", "thin") if found.thin else map(tell_interval, _intervals(found))),
        )
        for found in slices
    ]
    headings = ("slice", "utterances", "speakers", f"{measure}, challenger", f"{measure}, champion", "lead")
    thin = next((found.thin for found in slices if found.thin), "")
    return make_table(headings, rows) + (make_note(f"Thin: {thin}.") if thin else "")


def _intervals(found: SliceFigures) -> tuple[IntervalRecord | None, ...]:
    return found.challenger, found.champion, found.lead


def to_mark(interval: IntervalRecord, colour: str = OURS) -> Mark:
    """Return an interval as a picture draws it."""
    return Mark(interval.estimate, interval.low, interval.high, colour)


def make_legend(*, both: bool) -> str:
    """Return which colour is which; `both`: the champion is drawn too."""
    named = [("challenger", OURS), *([("champion", THEIRS)] if both else [])]
    told = " ".join(f'<b style="color: {colour}">● {escape_text(name)}</b>' for name, colour in named)
    return f'<p class="note">{told}</p>'


def _tell(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
