"""`voxloop worth-labelling`: which answers of production are worth a label, listed with their sound for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError
from voxloop.jobs.moments import read_past_interval

if TYPE_CHECKING:
    from voxloop.monitoring.drift.profile_file import ReferenceFile


def worth_labelling(
    family: str, *, since: str, until: str, out: Path, most: int | None = None, overrides: Overrides = ()
) -> Path:
    """List answers of an interval that are uncertain, novel or of what has drifted, have no label, and may be heard.

    Uncertain is what the model was least sure of; novel, what lies beyond the reference profile of the family
    (`voxloop drift --make-reference`); drifted, what has become more frequent in the columns by which the newest drift
    report saw drift. Listed is only what has consent and a named speaker, and of no speaker more than a share.

    Writes `worth_labelling.csv` with an empty column to fill in, the recordings, and `listen.html` to hear them on.
    `voxloop read-labels FAMILY OUT --by NAME` reads it back.

    Args:
        family: Whose answers.
        since: Begin of the interval, by the moment of the answer: a day, or a moment in ISO 8601.
        until: Its end, itself not in it.
        out: Folder to write. It holds voices, as the log does.
        most: Answers to list; as configs/labelling says when left out.
        overrides: Changes to the family's file of configs/labelling.

    Returns:
        `out`.

    Raises:
        InputError: There is no such family, the interval is none or not over, or `out` holds something.
        RefusedError: Nothing is worth a label; the message counts why.
    """
    from voxloop.data.tombstones import read_tombstones
    from voxloop.monitoring.collection import Interval
    from voxloop.monitoring.labelling_list import PAGE, TABLE, list_worth, write_listing
    from voxloop.monitoring.worth_policy import WorthPolicy
    from voxloop.settings import get_settings
    from voxloop.tasks import require_task

    require_task(family)
    changes = overrides if most is None else (*overrides, f"most={most}")
    policy = load_config(WorthPolicy, find_config("labelling", family), changes)
    settings = get_settings()
    asked = Interval(settings.predictions, settings.feedback, family, *read_past_interval(since, until))
    reference, drifted = _read_reference(family), _read_drifted(family)
    found = list_worth(asked, policy, reference, drifted, read_tombstones(settings.tombstones_file))
    write_listing(asked, found, out)
    for line in (
        *(f"left out: {count} {why}" for why, count in found.left_out.items()),
        *(f"cannot tell what is {why}" for why in found.untold),
        *(f"not read: {name}: {why}" for name, why in found.unread.items()),
    ):
        print(line, flush=True)
    speakers = len({one.row["speaker"] for one in found.listed})
    print(f"{family}: {len(found.listed)} answers of {speakers} speakers: hear {out / PAGE}, fill in {out / TABLE}")
    return out


def _read_reference(family: str) -> ReferenceFile | str:
    """Return the family's reference; a text where there is none: why."""
    from voxloop.monitoring.drift.profile_file import read_reference
    from voxloop.settings import get_settings

    try:
        return read_reference(get_settings().drift / family / "reference.json", family)
    except InputError as none:
        return none.problem


def _read_drifted(family: str) -> frozenset[str] | str:
    """Return the columns that the newest report of a watch saw drifted; a text where that is not known: why."""
    from voxloop.monitoring.worth_labelling import find_drifted_columns
    from voxloop.settings import get_settings

    path = get_settings().drift / family / "report.json"
    try:
        return find_drifted_columns(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return f"{path} does not exist (voxloop drift {family} writes it)"
    except (OSError, ValueError, KeyError, TypeError) as unreadable:
        return f"{path} is no report of a watch: {str(unreadable)[:100]!r}"
