"""Frozen evaluation sets: cut one, list them, verify them."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - an option is called date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from voxloop.data.evaluation_sets import EvaluationSet


def cut(
    *,
    dataset: Annotated[Path, Parameter(name="--from")],
    domain: str,
    date: str,
    task: str = "emotion",
    by: Literal["speaker"] = "speaker",
    split: Literal["dev", "test"] = "test",
    trained: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    overrides: Overrides = (),
) -> Path:
    """Freeze the test speakers of new data as an evaluation set, before anything is trained on them.

    For example `voxloop evalset cut --from data/nemo --domain nemo --date 2026-11-20`. It is added under
    evaluation_sets/ and never changed: the same content again is found there, other content of that name is refused.
    With `--split dev` it becomes a development set, whose looks are free.

    Args:
        dataset: Folder written by ingest.
        domain: Where its speech is from, such as `nemo` or `home-accents`.
        date: Day of the cut, YYYY-MM-DD.
        task: Family that will be judged on it.
        by: What is kept whole: a speaker is in it with everything they said.
        split: `test`, or `dev` for a development set.
        trained: Datasets that models were trained on before: nobody in their training split may be in the set.
        overrides: Changes to configs/leakage/TASK.yaml.

    Returns:
        Folder of the set.

    Raises:
        InputError: The dataset is none, the split is empty, or domain or date are malformed.
        RefusedError: A speaker, session or recording is known to training, or the set is there with other content.
        ServiceUnavailableError: The ledger, which notes every cut, does not answer.
    """
    from voxloop.data.evaluation_set_cut import Cut, cut_evaluation_set
    from voxloop.data.leakage import LeakageConfig
    from voxloop.ledger.acts import record_fresh_set
    from voxloop.ledger.book import open_ledger
    from voxloop.settings import get_settings, now

    config = load_config(LeakageConfig, find_config("leakage", task), overrides)
    asked = Cut(dataset, domain, _parse_date(date), task, split, trained)
    del by  # the only way there is; spelt out because the choice is the promise
    found = cut_evaluation_set(asked, get_settings().evaluation_sets, config)
    record_fresh_set(open_ledger(get_settings()), found, at=now())
    print(f"evaluation set {_describe(found)}", flush=True)
    return found.folder


def list_sets(task: str | None = None) -> None:
    """List the frozen evaluation sets, a line each.

    Args:
        task: Only those of this family.

    Raises:
        IntegrityError: A set has lost its record.
    """
    found = _find_sets(task)
    for one in found:
        print(_describe(one))
    if not found:
        print("there is no evaluation set; voxloop evalset cut makes one")


def verify(task: str | None = None) -> None:
    """Check every byte of the frozen evaluation sets.

    Args:
        task: Only those of this family.

    Raises:
        IntegrityError: A set was changed; the first is named, after all were looked at.
    """
    from voxloop.data.evaluation_sets import verify_evaluation_set

    changed: list[IntegrityError] = []
    found = _find_sets(task)
    for one in found:
        try:
            verify_evaluation_set(one.folder)
            print(f"whole    {one.task}/{one.name}  {one.digest[:12]}", flush=True)
        except IntegrityError as broken:
            changed.append(broken)
            print(f"changed  {one.task}/{one.name}", flush=True)
    if changed:
        raise changed[0]
    print(f"{len(found)} evaluation sets, all as they were frozen" if found else "there is no evaluation set")


def _find_sets(task: str | None) -> list[EvaluationSet]:
    from voxloop.data.evaluation_sets import list_evaluation_sets
    from voxloop.settings import get_settings

    if task is not None:
        find_config("leakage", task)
    return list_evaluation_sets(get_settings().evaluation_sets, task)


def _parse_date(text: str) -> Date:
    try:
        return Date.fromisoformat(text)
    except ValueError:
        problem = f"{text!r} is no date"
        raise InputError(problem, rule="a date reads YYYY-MM-DD", remedy="give the day of the cut") from None


def _describe(one: EvaluationSet) -> str:
    again = f", erased from, was {one.supersedes[:12]}" if one.supersedes else ""
    return (
        f"{one.task}/{one.name}: {one.rows} utterances of {one.speakers} speakers from {one.corpus}, "
        f"looks {one.looks}, digest {one.digest[:12]}{again}"
    )
