"""`voxloop collect`: what production answered, with consent and a checked label, as a corpus to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config
from voxloop.jobs.moments import read_past_interval

if TYPE_CHECKING:
    from voxloop.monitoring.collection import Collection


def collect(family: str, *, since: str, until: str, out: Path, overrides: Overrides = ()) -> Path:
    """Make a corpus of an interval's answers with consent, a named speaker and a label that nothing is said against.

    Labels are those that wait in quarantine; what the check of the keys (section `labels` of configs/drift) holds stays
    there, and is counted like everything else that is left out. Nothing is taken out of quarantine by it. The same log
    and labels give the same bytes. Then:

    `voxloop ingest --corpus production OUT --out data/NAME`, and before anything is trained on it
    `voxloop evalset cut --from data/NAME --domain NAME --date DAY`.

    Args:
        family: Whose answers.
        since: Begin of the interval, by the moment of the answer: a day, or a moment in ISO 8601.
        until: Its end, itself not in it.
        out: Folder to write: `utterances.csv`, `audio/`, `collection.json`. It holds voices, as the log does.
        overrides: Changes to the family's file of configs/drift.

    Returns:
        `out`.

    Raises:
        InputError: There is no such family, the interval is none or not over, or `out` holds something.
        RefusedError: There is nothing to collect; the message counts why.
    """
    from voxloop.data.poison_config import load_policy
    from voxloop.data.tombstones import read_tombstones
    from voxloop.monitoring.collection import Interval, collect_corpus
    from voxloop.monitoring.drift.policy import DriftPolicy
    from voxloop.settings import get_settings
    from voxloop.tasks import require_task

    require_task(family)
    policy = load_config(DriftPolicy, find_config("drift", family), overrides)
    poison = load_policy(find_config("poison", family), ())
    settings = get_settings()
    asked = Interval(settings.predictions, settings.feedback, family, *read_past_interval(since, until))
    found = collect_corpus(asked, policy.labels, poison, read_tombstones(settings.tombstones_file), out)
    for line in _list_lines(found):
        print(line, flush=True)
    print(f"{family}: {found.taken} answers of {found.speakers} speakers in {out}", flush=True)
    return out


def _list_lines(found: Collection) -> Iterator[str]:
    yield from (f"left out: {count} {why}" for why, count in found.left_out.items())
    yield from (f"held: {key}: {why}" for key, why in found.held.items())
    if found.unreadable:
        yield f"{found.unreadable} files of labels cannot be read"
    yield from (f"not read: {name}: {why}" for name, why in found.unread.items())
    if found.lost:
        yield f"{found.lost} rows were lost before they reached the log"
