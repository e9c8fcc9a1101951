"""Data validation by Great Expectations: three suites as code, their numbers from YAML, their data docs as HTML.

The first is about the files, a row each; the second about the utterances; the third about the dataset as a whole, one
row of figures. A row-wise expectation holds on an empty table, so rows are counted first and too few of them are
`CANNOT_TELL` whatever else holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from voxloop.adapters import validation_audio
from voxloop.adapters.expectation_run import Asked, ExpectationRun
from voxloop.adapters.validation_checks import Check, check_counts, check_figures, check_rows, check_shards
from voxloop.adapters.validation_columns import ROW, derive_columns
from voxloop.adapters.validation_comparison import compare_figures, compare_rows
from voxloop.adapters.validation_previous import Previous, read_previous
from voxloop.adapters.validation_report import DOCS_FOLDER, Found, ValidationReport
from voxloop.adapters.validation_rows import StoredRows, describe_shards, read_rows
from voxloop.adapters.validation_suite import SuiteConfig
from voxloop.data.manifest import Manifest, load_manifest
from voxloop.data.profile import DatasetProfile, measure_text_fit, profile_table, write_profile
from voxloop.data.splits import SPLITS
from voxloop.data.text import NORMALISER_VERSION
from voxloop.verdict import Verdict

_LAGS = (-2, -1, 0, 1, 2)
_SIGNIFICANT = 5.0
"""Standard errors of a correlation, 1 / sqrt(rows), by which texts must fit better elsewhere to have slipped."""


def validate_dataset(
    dataset: Path, config: SuiteConfig, name: str, out: Path, previous: Path | None = None
) -> ValidationReport:
    """Hold a dataset against its suites and write `report.json`, `profile.json` and `data_docs/`.

    Args:
        dataset: Folder written by `ingest`.
        config: The suite's numbers.
        name: Name of the suites in the data docs.
        out: Existing folder to fill.
        previous: The dataset accepted last: a folder of an earlier validation or of `fetch-champion`; None for a first.

    Raises:
        InputError: `dataset` is not a dataset folder.
        Exception: Whatever Great Expectations or the reader of shards runs into; the caller decides what it means.
    """
    run = ExpectationRun(name, config.failing_rows)
    report, profile = judge_dataset(dataset, config, run, read_previous(previous))
    write_profile(profile, out)
    report.write(out)
    run.write_docs(out / DOCS_FOLDER)
    return report


def judge_dataset(
    dataset: Path, config: SuiteConfig, run: ExpectationRun, previous: Previous
) -> tuple[ValidationReport, DatasetProfile]:
    """Return the report on a dataset and what it looks like; nothing is written."""
    manifest = load_manifest(dataset)
    stored = read_rows(dataset, manifest)
    files = run.ask("shards", describe_shards(stored.shards, manifest), check_shards(), index=["path"])
    profile = profile_table(stored.table)
    audio = _find_audio_faults(dataset, stored, config)
    normalised = manifest.text_normaliser == NORMALISER_VERSION
    frame = derive_columns(stored.table, config, audio, normalised=normalised)
    rows = ask_rows(run, stored, frame, config, (profile, previous.profile))
    figures = _ask_figures(run, manifest, config, (stored, profile, previous.profile))
    beside = [*_not_asked(stored.unusable), _describe_comparison(previous)]
    return conclude((files, rows, figures), beside, len(frame), previous), profile


def ask_rows(
    run: ExpectationRun,
    stored: StoredRows,
    frame: pd.DataFrame,
    config: SuiteConfig,
    profiles: tuple[DatasetProfile, DatasetProfile | None],
) -> Asked:
    """Ask everything about the utterances of a frame that `derive_columns` made; on an empty one only their count."""
    checks = [check for check in check_counts(config) if check.column is None or check.column in frame]
    if len(frame):
        sources = frame["source"].dropna().unique().tolist() if "source" in frame else []
        checks += check_rows(config, frame.columns, sorted(sources))
        now, before = profiles
        checks += compare_rows(now, before, config.previous) if before is not None else []
    index = [name for name in ("utterance_id", ROW) if name in frame]
    return run.ask("utterances", frame, checks, index=index, name_row=stored.name_row)


def conclude(asked: Sequence[Asked], beside: Iterable[Found], rows: int, previous: Previous) -> ValidationReport:
    """Return the report of all that was found; what has no answer holds nothing."""
    found = tuple(one for part in asked for one in part.found) + tuple(beside)
    verdict = Verdict.combine(one.verdict for one in found)
    if verdict is Verdict.PASS and not all(part.complete for part in asked):
        verdict = Verdict.CANNOT_TELL
    return ValidationReport(verdict=verdict, row_count=rows, compared_with=previous.name, expectations=found)


def _find_audio_faults(dataset: Path, stored: StoredRows, config: SuiteConfig) -> pa.Array | None:
    if any(column in stored.unusable for column in validation_audio.COLUMNS):
        return None
    rows = stored.table.num_rows
    return validation_audio.find_faults(
        dataset,
        [shard.path for shard in stored.shards],
        listen_every=math.ceil(rows / config.listen_rows) if config.listen_rows else 0,
        loudness_tolerance_db=config.loudness_tolerance_db,
    )


def _ask_figures(
    run: ExpectationRun,
    manifest: Manifest,
    config: SuiteConfig,
    found: tuple[StoredRows, DatasetProfile, DatasetProfile | None],
) -> Asked:
    stored, now, before = found
    figures = measure_figures(stored, now, config)
    checks: list[Check] = check_figures(manifest, config, figures)
    checks += compare_figures(before, config.previous) if before is not None else []
    return run.ask("dataset", pd.DataFrame([figures]), checks)


def measure_figures(stored: StoredRows, profile: DatasetProfile, config: SuiteConfig) -> dict[str, float | None]:
    """Return the figures of a dataset as a whole; None for one that cannot be told."""
    columns = stored.table.column_names
    splits = profile.labels.get("split", {})
    fits = {
        lag: measure_text_fit(stored.table, lag=lag, fewest_rows=config.text.fit_rows)
        for lag in (_LAGS if profile.text_fit is not None else ())
    }
    known = {lag: fit for lag, fit in fits.items() if fit is not None}
    return {
        "utterances": float(profile.utterances),
        "speakers": float(profile.speakers) if "speaker_id" in columns else None,
        "hours": profile.hours if "duration_s" in columns else None,
        **{f"utterances_of_{split}": float(splits.get(split, 0)) if "split" in columns else None for split in SPLITS},
        "text_fit": known.get(0),
        "text_lag": None if 0 not in known else float(_find_lag(known, profile.utterances)),
    }


def _find_lag(fits: dict[int, float], rows: int) -> int:
    best = max(fits, key=lambda lag: fits[lag])
    return best if fits[best] - fits[0] > _SIGNIFICANT / math.sqrt(rows) else 0


def _not_asked(unusable: Mapping[str, str]) -> list[Found]:
    return [
        Found(
            check="what else is asked of it",
            column=column,
            success=None,
            observed=f"not asked: it is {kind}",
            verdict=Verdict.CANNOT_TELL,
        )
        for column, kind in unusable.items()
    ]


def _describe_comparison(previous: Previous) -> Found:
    return Found(
        check="there is something to compare with, or it is the first dataset",
        success=previous.problem is None,
        observed=previous.name,
        verdict=Verdict.PASS if previous.problem is None else Verdict.CANNOT_TELL,
    )
