"""The sections of a model card's page about changed conditions, behaviour and groups, as `card_sections`."""

from __future__ import annotations

from collections.abc import Iterator

from voxloop.data.report_markup import make_note, make_table
from voxloop.evaluation.card import ConditionShown, RobustnessShown, SetFigures
from voxloop.evaluation.card_family_sections import show_bands
from voxloop.evaluation.card_pictures import Row, draw_forest
from voxloop.evaluation.card_sections import make_legend, tell_interval, to_mark
from voxloop.evaluation.card_shapes import OURS, THEIRS


def show_gaps(one: SetFigures) -> Iterator[str]:
    """Yield how far groups are apart, of both models, and a table with what the policy asks."""
    measured = [found for found in one.gaps if found.challenger is not None]
    if measured:
        rows = [
            Row(
                f"{found.measure}, {found.name.partition('=')[2]}",
                tuple(
                    to_mark(interval, colour)
                    for interval, colour in ((found.challenger, OURS), (found.champion, THEIRS))
                    if interval is not None
                ),
            )
            for found in measured
        ]
        yield draw_forest(rows, "first group less the second: on the line both fare alike", 0.0)
        yield make_legend(both=any(found.champion for found in measured))
    if one.gaps:
        headings = (
            "groups",
            "measure",
            "challenger",
            "champion",
            "grown by",
            "may grow by",
            "or the worst ahead of the best before",
            "may be",
        )
        yield make_table(
            headings,
            [
                (
                    found.name,
                    found.measure,
                    found.thin or tell_interval(found.challenger),
                    "thin" if found.thin else tell_interval(found.champion),
                    _tell(found.growth),
                    _tell(found.margin),
                    "" if found.raised is None else tell_interval(found.raised),
                    _tell(found.limit),
                )
                for found in one.gaps
            ],
        )


def show_robustness(one: SetFigures) -> Iterator[str]:
    """Yield both models under each condition, the leads with the policy's bounds, and a table."""
    if (found := one.robustness) is None:
        return
    shown = [each for each in found.conditions if each.challenger is not None]
    yield draw_forest([_condition_row(each) for each in shown], found.measure, None)
    yield make_legend(both=any(each.champion for each in shown))
    leads = [Row(each.name, (to_mark(each.lead),), each.bound) for each in shown if each.lead is not None]
    if leads:
        yield draw_forest(leads, f"{found.measure} lead of the challenger: right of the line is better")
    yield make_note(_tell_rows(found))
    headings = ("condition", "made by", "challenger", "champion", "lead", "asked", "lost beside clean", "may lose")
    yield make_table(headings, [_describe(each) for each in found.conditions])


def _tell_rows(found: RobustnessShown) -> str:
    rows = f"{found.utterances:,} utterances of {found.speakers:,} speakers"
    return f"{rows} were asked again, both models with the same bytes. Red dashes: what the policy asks of the lead."


def _condition_row(found: ConditionShown) -> Row:
    pairs = ((found.challenger, OURS), (found.champion, THEIRS))
    return Row(found.name, tuple(to_mark(interval, colour) for interval, colour in pairs if interval is not None))


def _describe(found: ConditionShown) -> tuple[object, ...]:
    intervals = (tell_interval(one) for one in (found.challenger, found.champion, found.lead))
    loss = "" if found.loss is None else tell_interval(found.loss)
    asked = "" if found.bound is None else f"above {found.bound:+.3f}"
    return (found.name, found.condition, *intervals, asked, loss, _tell(found.most_loss))


def show_behaviour(one: SetFigures) -> Iterator[str]:
    """Yield of which share of the rows each test of behaviour holds."""
    if one.robustness is None or not one.robustness.behaviour:
        return
    headings = ("test", "kind", "rows", "challenger", "champion", "asked")
    yield make_table(
        headings,
        [
            (found.name, found.kind, found.rows, *map(_share, (found.challenger, found.champion, found.asked)))
            for found in one.robustness.behaviour
        ],
    )
    yield make_note("Shares of the rows of which it holds. What is not asked is shown alone.")


def show_snrs(one: SetFigures) -> Iterator[str]:
    """Yield the error rate of both models by signal-to-noise ratio."""
    if one.snrs:
        yield from show_bands(one.snrs, one.measures[0].measure)
        yield make_note("The ratio is estimated from the sound: for bands, not for figures (docs/gate.md).")


def _tell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
