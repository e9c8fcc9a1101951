"""The dataset that was accepted last, found in the folder a caller gives; closed when it cannot be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from voxloop.adapters.validation_report import REPORT_NAME, read_report
from voxloop.data.acceptance import ACCEPTANCE_NAME, KEPT_AS
from voxloop.data.profile import PROFILE_NAME, DatasetProfile, read_profile
from voxloop.errors import IntegrityError
from voxloop.store.digests import digest_file
from voxloop.verdict import Verdict

CHAMPION_NAME = "champion.json"
REPORT_FOLDER = KEPT_AS["validate"]
NOTHING = "nothing: no dataset was accepted before"


@dataclass(frozen=True)
class Previous:
    """What a dataset is compared with.

    Args:
        profile: None for a first dataset, and where there should be one but is not.
        name: What it is, in words.
        problem: Why it cannot be compared; None when it can, or need not.
    """

    profile: DatasetProfile | None
    name: str
    problem: str | None = None


def read_previous(folder: Path | None) -> Previous:
    """Return the dataset accepted last.

    Args:
        folder: Written by an earlier validation, by `accept` or by `fetch-champion`; None for a first dataset.
    """
    if folder is None:
        return Previous(None, NOTHING)
    if (folder / CHAMPION_NAME).exists():
        return _read_champion(folder)
    if (folder / ACCEPTANCE_NAME).exists():
        return _read_accepted(folder)
    return _read_folder(folder / REPORT_FOLDER if (folder / REPORT_FOLDER).is_dir() else folder)


def _read_champion(folder: Path) -> Previous:
    try:
        champion = json.loads((folder / CHAMPION_NAME).read_text(encoding="utf-8"))
        version, ever = champion["version"], champion["ever"]
    except (OSError, ValueError, TypeError, KeyError):
        return _closed(f"its {CHAMPION_NAME} does not tell whether there is a champion")
    if version is not None:
        return _read_folder(folder / REPORT_FOLDER)
    if ever is False:
        return Previous(None, NOTHING)
    return _closed("there was a champion once and there is none now")


def _read_accepted(folder: Path) -> Previous:
    try:
        verdict = json.loads((folder / ACCEPTANCE_NAME).read_text(encoding="utf-8"))["verdict"]
    except (OSError, ValueError, TypeError, KeyError):
        return _closed(f"{ACCEPTANCE_NAME} of the previous data cannot be read")
    if verdict != Verdict.PASS:
        return _closed(f"`accept` said {verdict} of the previous data: they were never accepted")
    return _read_folder(folder / REPORT_FOLDER)


def _read_folder(folder: Path) -> Previous:
    try:
        verdict = read_report(folder).verdict
    except (OSError, ValidationError):
        return _closed(f"{REPORT_NAME} of the previous data is not there or no report of a validation")
    if verdict is not Verdict.PASS:
        return _closed(f"the report on the previous data says {verdict}: they were never accepted")
    try:
        profile = read_profile(folder)
    except IntegrityError:
        return _closed(f"{PROFILE_NAME} of the previous data is not there or not one of this version")
    rows, digest = profile.utterances, digest_file(folder / PROFILE_NAME)[:12]
    return Previous(profile, f"the {rows} rows accepted before, profile {digest}")


def _closed(problem: str) -> Previous:
    return Previous(None, f"nothing: {problem}", problem)
