"""The report of a week: what was found, trained, judged and put into service, family by family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from voxloop.ledger.looks import Wear
    from voxloop.monitoring.week import FamilyWeek, Week


def week(name: str | None = None, *, tell: Annotated[bool, Parameter(negative=())] = False) -> str:
    """Write the report of a week, as the ledger tells it: a page to read, and the same in the terminal.

    Of each family: what serves, before and after; verdicts, approvals, promotions, rollbacks; what was decided about
    drift; each retraining with its reason and how it ended; what retrainings brought (promoted, GPU-hours a point); and
    how worn the evaluation sets are now. Run again, the page is written again; what came after the week changes
    nothing but that wear.

    Args:
        name: The week, such as `2026-W48` (ISO 8601, UTC); the last one that is over when left out.
        tell: Send its lines to the audience on-call too (docs/notices.md); the same week again only after some days.

    Returns:
        The page, `reports/week-<name>.html` in the state folder.

    Raises:
        InputError: There is no such week.
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    from voxloop.jobs.ledger import list_wear
    from voxloop.jobs.week_page import write_page
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.week import Week, tell_week
    from voxloop.settings import get_settings, now

    of = Week.before(now()) if name is None else Week.read(name)
    settings = get_settings()
    entries = open_ledger(settings).read()
    families, wear = tell_week(entries, of), list_wear(None, ())
    lines = [line for family in families for line in describe(family)] + [describe_wear(one) for one in wear]
    print("\n".join([f"week {of}", *(lines or ["nothing is in the ledger"])]), flush=True)
    path = write_page(settings.reports / f"week-{of}.html", of, families, wear)
    if tell:
        _tell(of, lines)
    print(path, flush=True)
    return str(path)


def describe(family: FamilyWeek) -> list[str]:
    """Return a family's week, line by line."""
    if family.is_quiet:
        return [f"{family.task}: nothing happened; {family.service}"]
    counts = ", ".join(f"{name} {count}" for name, count in family.counts.items())
    return [
        f"{family.task}: {family.service}",
        *([f"  {counts}"] if counts else []),
        *(f"  {one.retrain_id} ({one.reason}): {one.ending}" for one in family.retrainings),
        f"  {family.brought}",
    ]


def describe_wear(wear: Wear) -> str:
    """Return how worn an evaluation set is."""
    return f"evaluation set {wear.task}/{wear.name}: {wear.looks} of {wear.budget} looks"


def _tell(of: Week, lines: list[str]) -> None:
    from voxloop.jobs.notify import tell_people
    from voxloop.notices.notice import Audience, Notice

    tell_people(Notice(Audience.ON_CALL, f"week/{of}", f"voxloop: week {of}", "\n".join(lines) or "nothing happened"))
