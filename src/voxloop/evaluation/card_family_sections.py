"""The sections of a model card's page that one family has, as `voxloop.evaluation.card_sections`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voxloop.data.report_markup import make_note, make_table
from voxloop.evaluation.card import SetFigures, SliceFigures, TraitPoint
from voxloop.evaluation.card_pictures import draw_forest, draw_matrix, draw_reliability, draw_scatter
from voxloop.evaluation.card_sections import make_legend, slice_rows, table_slices, tell_interval
from voxloop.evaluation.card_shapes import OURS, THEIRS


def show_confusion(one: SetFigures) -> Iterator[str]:
    """Yield a matrix a model: rows are references, columns answers."""
    if one.confusion is None:
        return
    yield draw_matrix(one.confusion.challenger, one.confusion.labels, "challenger")
    if one.confusion.champion is not None:
        yield draw_matrix(one.confusion.champion, one.confusion.labels, "champion")
    yield make_note("Rows are references, columns answers; darkness is the share of the row.")


def show_reliability(one: SetFigures) -> Iterator[str]:
    """Yield the reliability diagram and the calibration error of each model."""
    if one.reliability is None:
        return
    models = [
        (bins, colour) for bins, colour in ((one.reliability.challenger, OURS), (one.reliability.champion, THEIRS))
    ]
    yield draw_reliability(
        [(bins, colour) for bins, colour in models if bins], "across: how sure; up: the share that is right"
    )
    yield make_legend(both=bool(one.reliability.champion))
    errors = [found for found in one.measures if found.measure == "ece"]
    for found in errors:
        champion = "" if found.champion is None else f", champion {tell_interval(found.champion)}"
        yield make_note(f"Expected calibration error: challenger {tell_interval(found.challenger)}{champion}")


def show_durations(one: SetFigures) -> Iterator[str]:
    """Yield the error rate of both models by length of the utterance."""
    if one.durations:
        yield from show_bands(one.durations, one.measures[0].measure)


def show_bands(bands: Sequence[SliceFigures], measure: str) -> Iterator[str]:
    """Yield a picture and a table of a measure by bands of something."""
    measured = [found for found in bands if found.challenger is not None]
    if measured:
        yield draw_forest(slice_rows(measured), measure, 0.0)
        yield make_legend(both=any(found.champion for found in measured))
    yield table_slices(bands, measure)


def show_traits(one: SetFigures) -> Iterator[str]:
    """Yield a scatter of answer against reference for each trait: a dot a speaker and model."""
    if not one.traits:
        return
    numbers = [n for point in one.traits for n in (point.reference, point.challenger, point.champion) if n is not None]
    room = (max(numbers) - min(numbers)) * 0.05 or 1.0
    span = (min(numbers) - room, max(numbers) + room)
    for trait in dict.fromkeys(point.trait for point in one.traits):
        yield draw_scatter(_dots([point for point in one.traits if point.trait == trait]), span, trait)
    yield make_note("Across: a speaker's mean reference. Up: the mean answer. On the dashes both are one.")
    yield make_legend(both=any(point.champion is not None for point in one.traits))


def show_importances(one: SetFigures) -> Iterator[str]:
    """Yield by how much the first measure drops when an input is shuffled."""
    if one.importances is None:
        return
    found = one.importances
    rows = [(each.name, f"{each.drop:+.4f}", f"{each.sd:.4f}") for each in found.inputs]
    bars = [max(each.drop, 0.0) for each in found.inputs]
    yield make_table(("input", f"{found.measure} lost", "sd"), rows, bars=bars)
    yield make_note(
        f"Each shuffled between utterances {found.repeats} times; of inputs that say the same, none is missed."
    )
    if found.rows is not None and found.all_rows is not None and found.rows < found.all_rows:
        yield make_note(f"Of {found.rows:,} of {found.all_rows:,} utterances, as many of each speaker as can be.")


def _dots(points: Sequence[TraitPoint]) -> Iterator[tuple[float, float, str, str]]:
    for point in points:
        if point.champion is not None:
            yield point.reference, point.champion, THEIRS, point.speaker_id
        yield point.reference, point.challenger, OURS, point.speaker_id
