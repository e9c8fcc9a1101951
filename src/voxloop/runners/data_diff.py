"""`voxloop data diff`: what changed between two revisions of data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from voxloop.data.manifest import MANIFEST_NAME
from voxloop.errors import InputError

if TYPE_CHECKING:
    from voxloop.data.difference import Amount, Difference, GroupChange


def data_diff(
    before: str,
    after: str,
    *,
    path: str = "data/dataset",
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Say what changed from one revision of data to another: rows, hours, speakers, labels, sound.

    A revision is a commit, tag or branch whose `dvc.lock` (or `.dvc` file) pins the dataset; its shards come from DVC's
    cache, or else its remote, into a temporary folder. Two dataset folders are compared as they are. For example
    `voxloop data diff HEAD~1 HEAD`, `voxloop data diff data/one data/two --json`.

    Args:
        before: Git revision or dataset folder.
        after: Git revision or dataset folder.
        path: Where the revisions track the dataset.
        json: Print JSON instead of a table.

    Raises:
        InputError: A revision is unknown or tracks no such dataset.
        ServiceUnavailableError: The remote does not answer.
    """
    from voxloop.data.dataset_columns import read_columns
    from voxloop.data.difference import compare
    from voxloop.settings import get_settings

    _refuse_half_a_pair(before, after)
    if _is_dataset(before) and _is_dataset(after):
        difference = compare(read_columns(Path(before)), read_columns(Path(after)))
    else:
        difference = _compare_revisions(get_settings().project_root, before, after, path)
    if json:
        print(difference.model_dump_json(indent=2))
    else:
        print("\n".join(describe(difference, before, after)))


def describe(difference: Difference, before: str, after: str) -> list[str]:
    """Return the lines of the table a person reads."""
    if difference.is_empty:
        return [f"nothing changed from {before} to {after}: {difference.rows.after:.0f} rows"]
    return [
        f"{before} -> {after}",
        *_totals(difference),
        *_list("speakers added", difference.speakers_added),
        *_list("speakers removed", difference.speakers_removed),
        *_groups("split", difference.by_split),
        *_groups("source", difference.by_source),
        *_labels(difference),
        *_list("columns only one side has, not compared", difference.not_compared),
    ]


def _compare_revisions(repository: Path, before: str, after: str, path: str) -> Difference:
    from voxloop.adapters.dvc import fetch_dataset, find_pin, resolve_revision
    from voxloop.data.dataset_columns import read_columns
    from voxloop.data.difference import compare

    where = _relative(repository, path)
    commits = [resolve_revision(repository, revision) for revision in (before, after)]
    pins = [find_pin(repository, commit, where) for commit in commits]
    with tempfile.TemporaryDirectory(prefix="voxloop-diff-") as folder:
        kept = {pin: Path(folder) / f"revision-{number}" for number, pin in enumerate(pins)}
        for commit, pin in zip(commits, pins, strict=True):
            if not kept[pin].exists():  # the same data twice is fetched once
                fetch_dataset(repository, commit, where, kept[pin])
        tables = [read_columns(kept[pin]) for pin in pins]
    return compare(*tables)


def _relative(repository: Path, path: str) -> str:
    """Return `path` as DVC writes it: relative to the repository, with slashes."""
    try:
        return (repository / path).resolve().relative_to(repository.resolve()).as_posix()
    except ValueError:
        raise InputError(
            f"{path} lies outside {repository}", rule="DVC tracks what lies inside", remedy="give another --path"
        ) from None


def _refuse_half_a_pair(before: str, after: str) -> None:
    """Raise `InputError` naming the one that is no dataset folder when the other is."""
    for one, other in ((before, after), (after, before)):
        if _is_dataset(one) and not _is_dataset(other):
            raise InputError(
                f"{other!r} is no dataset folder, {one!r} is",
                rule="two folders are compared, or two git revisions",
                remedy="name another folder that `voxloop ingest` wrote, or two revisions",
            )


def _is_dataset(name: str) -> bool:
    return (Path(name) / MANIFEST_NAME).is_file()


def _totals(difference: Difference) -> list[str]:
    rows = [
        _amount("rows", difference.rows, ".0f"),
        _amount("hours", difference.hours, ".3f"),
        _amount("speakers", difference.speakers, ".0f"),
    ]
    counts = {
        "added": difference.added,
        "removed": difference.removed,
        "relabelled": difference.relabelled,
        "changed audio": difference.changed_audio,
        "moved to another split": difference.moved,
    }
    columns = [f"{name} {count}" for name, count in difference.changed.items()]
    return [*rows, *(f"  {name:<24}{count:>10} rows" for name, count in counts.items()), *_list("changed", columns)]


def _amount(name: str, amount: Amount, form: str) -> str:
    return f"  {name:<24}{amount.before:>10{form}} -> {amount.after:>10{form}}  ({amount.change:+{form}})"


def _groups(title: str, groups: dict[str, GroupChange]) -> list[str]:
    if not groups:
        return []
    counts = f"{'added':>8}{'removed':>8}{'relabelled':>12}{'audio':>8}"
    head = f"  {title:<24}{'rows':>18}{'hours':>20}{'speakers':>14}{counts}"
    return ["", head, *(_group_line(name, one) for name, one in groups.items())]


def _group_line(name: str, one: GroupChange) -> str:
    rows, speakers = (f"{part.before:.0f} -> {part.after:.0f}" for part in (one.rows, one.speakers))
    hours = f"{one.hours.before:.3f} -> {one.hours.after:.3f}"
    counts = f"{one.added:>8}{one.removed:>8}{one.relabelled:>12}{one.changed_audio:>8}"
    return f"  {name:<24}{rows:>18}{hours:>20}{speakers:>14}{counts}"


def _labels(difference: Difference) -> list[str]:
    lines: list[str] = []
    for column, labels in difference.labels.items():
        moved = {name: amount for name, amount in labels.items() if amount.change}
        if moved or column in difference.transitions:
            lines += ["", f"  {column}"]
            lines += [_amount(f"  {name}", amount, ".0f") for name, amount in moved.items()]
            lines += [
                f"    {name:<22}{count:>10} rows" for name, count in difference.transitions.get(column, {}).items()
            ]
    return lines


def _list(title: str, names: tuple[str, ...] | list[str], limit: int = 20) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return [f"  {title}: {', '.join(names[:limit])}{more}"]
