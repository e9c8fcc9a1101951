"""The report of a week as a page: self-contained, without scripts or links."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.data.report_markup import PAGE, escape_text, make_list, make_note, make_section, make_table
from voxloop.store.atomic import write_file

if TYPE_CHECKING:
    from voxloop.ledger.looks import Wear
    from voxloop.monitoring.week import FamilyWeek, Week


def write_page(path: Path, week: Week, families: Sequence[FamilyWeek], wear: Sequence[Wear]) -> Path:
    """Write the page.

    Args:
        path: Of the page; folders above it are made.
        week: Which one.
        families: What became of each.
        wear: Of the evaluation sets, now.
    """
    title = escape_text(f"voxloop: week {week}")
    sections = [_describe_family(family) for family in families] or [make_note("The ledger has nothing of it.")]
    body = (
        f"<h1>{title}</h1>",
        make_note(f"{week.begin:%Y-%m-%d} to {week.end:%Y-%m-%d}, UTC, as the ledger tells it."),
        *sections,
        *([_describe_wear(wear)] if wear else []),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_file(path, PAGE.substitute(title=title, body="\n".join(body)))


def _describe_family(family: FamilyWeek) -> str:
    served = make_note(family.service)
    if family.is_quiet:
        return make_section(family.task, served, make_note("Nothing happened."))
    return make_section(
        family.task,
        served,
        *([make_list(family.counts.items())] if family.counts else []),
        *([_describe_retrainings(family)] if family.retrainings else []),
        make_note(str(family.brought)),
    )


def _describe_retrainings(family: FamilyWeek) -> str:
    rows = [
        (
            one.retrain_id,
            f"{one.reason.kind} {one.reason.episode}",
            one.claim.at[:16],
            len(one.attempts),
            one.ending,
        )
        for one in family.retrainings
    ]
    return make_table(("retraining", "reason", "claimed, UTC", "attempts", "the last of them"), rows)


def _describe_wear(wear: Sequence[Wear]) -> str:
    rows = [(one.task, one.name, one.looks, one.left) for one in wear]
    return make_section(
        "Evaluation sets, now",
        make_table(("family", "set", "looks", "left"), rows),
        make_note("voxloop ledger looks says which should be cut afresh."),
    )
