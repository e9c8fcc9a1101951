"""Data validation by Great Expectations: a suite as code, its numbers from YAML, its data docs as a folder of HTML.

The context is ephemeral, with analytics off; nothing is sent anywhere. A row-wise expectation holds on an empty table,
so rows are counted first and too few of them are `CANNOT_TELL` whatever else holds.
"""

from __future__ import annotations

import logging
import os.path
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations import core as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from voxloop.adapters.validation_suite import DOCS_FOLDER, Found, SuiteConfig, ValidationReport
from voxloop.data.manifest import load_manifest
from voxloop.data.schema import MANIFEST_COLUMNS
from voxloop.data.splits import SPLITS
from voxloop.store.atomic import write_file
from voxloop.verdict import Verdict

DURATION_ERROR = "duration_error_s"
SPEAKER_SPLITS = "splits_of_speaker"
DERIVED_COLUMNS = (DURATION_ERROR, SPEAKER_SPLITS)
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""A pure step holds no clock: the same data gives the same report."""

_REMOTE_LOGO = re.compile(r"https://[^\"'\s]*/logo-long\.png\?d=[\w.]+")
_MOMENT = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def validate_dataset(dataset: Path, config: SuiteConfig, name: str, out: Path) -> ValidationReport:
    """Hold a dataset against its suite and write `report.json` and `data_docs/`.

    Args:
        dataset: Folder written by `ingest`.
        config: The suite's numbers.
        name: Name of the suite in the data docs.
        out: Existing folder to fill.

    Raises:
        InputError: `dataset` is not a dataset folder.
        Exception: Whatever Great Expectations or the reader of shards runs into; the caller decides what it means.
    """
    manifest = load_manifest(dataset)
    frame = derive_columns(read_stored_columns(dataset, [entry.path for entry in manifest.shards]))
    enough = expect_enough_rows(config)
    # On an empty table only the counts mean anything.
    suite = [*enough, *expect_sound_rows(config, manifest.utterances)] if len(frame) else enough
    results = run_suite(frame, suite, name, out / DOCS_FOLDER)
    counted = {expectation.id for expectation in enough}
    found = tuple(_describe(result, counted) for result in results)
    complete = {one.id for one in suite} == {result.expectation_config.id for result in results}
    verdict = Verdict.combine(one.verdict for one in found)
    if verdict is Verdict.PASS and not complete:  # an expectation without an answer holds nothing
        verdict = Verdict.CANNOT_TELL
    report = ValidationReport(verdict=verdict, row_count=len(frame), expectations=found)
    report.write(out)
    return report


def read_stored_columns(dataset: Path, shards: Sequence[str]) -> pd.DataFrame:
    """Return every column the shards really hold, the audio left out; not all of those the schema promises."""
    tables = []
    for shard in shards:
        with pq.ParquetFile(dataset / shard) as file:
            tables.append(file.read(columns=[column for column in file.schema_arrow.names if column != "audio"]))
    return pa.concat_tables(tables, promote_options="permissive").to_pandas() if tables else pd.DataFrame()


def derive_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what the suite asks of several columns at once, where these are there."""
    if {"num_samples", "sample_rate", "duration_s"} <= set(frame.columns):
        frame[DURATION_ERROR] = (frame["num_samples"] / frame["sample_rate"] - frame["duration_s"]).abs()
    if {"speaker_id", "split"} <= set(frame.columns):
        frame[SPEAKER_SPLITS] = frame.groupby("speaker_id")["split"].transform("nunique")
    return frame


def expect_enough_rows(config: SuiteConfig) -> list[Expectation]:
    """Return the expectations about how many rows there are: in all, and in each split."""
    least = {split: max(1, config.minimum_rows.get(split, 1)) for split in SPLITS}
    table = gxe.ExpectTableRowCountToBeBetween(min_value=sum(least.values()))
    splits = [
        gxe.ExpectTableRowCountToBeBetween(min_value=count, row_condition=Column("split") == split)
        for split, count in least.items()
    ]
    return [table, *splits]


def expect_sound_rows(config: SuiteConfig, utterances: int) -> list[Expectation]:
    """Return the expectations about the rows themselves.

    Args:
        config: The suite's numbers.
        utterances: Rows the manifest promises.
    """
    required = ("utterance_id", "speaker_id", "sha256", "split", "num_samples", "duration_s", "sample_rate")
    return [
        gxe.ExpectTableRowCountToEqual(value=utterances),
        gxe.ExpectTableColumnsToMatchSet(column_set=[*MANIFEST_COLUMNS, *DERIVED_COLUMNS], exact_match=True),
        *(gxe.ExpectColumnValuesToNotBeNull(column=column) for column in required),
        *(
            gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=1 - share)
            for column, share in config.maximum_missing.items()
        ),
        gxe.ExpectColumnValuesToBeUnique(column="utterance_id"),
        gxe.ExpectColumnValuesToBeUnique(column="sha256"),  # in one split a waste, across splits a leak
        gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        gxe.ExpectColumnValuesToBeBetween(column=SPEAKER_SPLITS, min_value=1, max_value=1),
        gxe.ExpectColumnValuesToBeInSet(column="sample_rate", value_set=[config.sample_rate]),
        gxe.ExpectColumnValuesToBeBetween(
            column="duration_s", min_value=config.duration_s.minimum, max_value=config.duration_s.maximum
        ),
        gxe.ExpectColumnValuesToBeBetween(column="num_samples", min_value=1),
        gxe.ExpectColumnValuesToBeBetween(column=DURATION_ERROR, min_value=0, max_value=config.duration_tolerance_s),
        gxe.ExpectColumnValuesToBeInSet(column=config.label_column, value_set=list(config.labels)),
    ]


def run_suite(frame: pd.DataFrame, expectations: Sequence[Expectation], name: str, docs: Path) -> list[Any]:
    """Hold a frame against expectations and write the data docs; return one result an expectation, in their order."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # at INFO it tells of every store it opens
    context = gx.get_context(mode="ephemeral", project_config=_context_config(docs))
    asset = context.data_sources.add_pandas("dataset").add_dataframe_asset("utterances")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name))
    for expectation in expectations:
        suite.add_expectation(expectation)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    outcome = definition.run(
        batch_parameters={"dataframe": frame},
        result_format="SUMMARY",
        run_id=RunIdentifier(run_name=name, run_time=NO_TIME),
    )
    context.build_data_docs()
    settle_docs(docs)
    place = {expectation.id: index for index, expectation in enumerate(expectations)}
    return sorted(outcome.results, key=lambda result: place[result.expectation_config.id])


def settle_docs(docs: Path) -> None:
    """Make the pages a function of the data, let them show the logo beside them, and drop 3.3 MB of tutorial films.

    As generated, a page asks a bucket on the web for its logo with the time in the query, names the moment the frame
    was loaded, and numbers its sections with random UUIDs.
    """
    for film in docs.glob("static/images/*.gif"):
        film.unlink()
    for page in sorted(docs.rglob("*.html")):
        logo = os.path.relpath(docs / "static" / "images" / "logo-long.png", page.parent)
        text = _REMOTE_LOGO.sub(logo, page.read_text(encoding="utf-8"))
        text = _MOMENT.sub(NO_TIME.strftime("%Y%m%dT%H%M%S.%fZ"), text)
        for number, found in enumerate(dict.fromkeys(_UUID.findall(text))):
            text = text.replace(found, f"section-{number}")
        write_file(page, text)


def _context_config(docs: Path) -> DataContextConfig:
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        data_docs_sites={"data_docs": site},
    )


def _describe(result: Any, counted: set[str | None]) -> Found:
    config = result.expectation_config
    condition = config.kwargs.get("row_condition")
    name = config.type + (f" where {condition['column']['name']} is {condition['parameter']}" if condition else "")
    errors = _errors(result.exception_info)
    unless_it_holds = Verdict.CANNOT_TELL if errors or config.id in counted else Verdict.FAIL
    return Found(
        name=name,
        column=config.kwargs.get("column"),
        success=None if errors else bool(result.success),
        observed=errors[0] if errors else _observed(result.result),
        unexpected=result.result.get("unexpected_count"),
        verdict=Verdict.PASS if result.success and not errors else unless_it_holds,
    )


def _errors(info: dict[str, Any]) -> list[str]:
    """Return the messages of what was raised; the information is one record, or one a metric."""
    records = [info] if "raised_exception" in info else list(info.values())
    return sorted(str(record["exception_message"]) for record in records if record["raised_exception"])


def _observed(result: dict[str, Any]) -> str | None:
    if "observed_value" in result:
        missing = result.get("details", {}).get("mismatched")
        return str(missing or result["observed_value"])
    examples = result.get("partial_unexpected_list", [])[:3]
    return f"such as {', '.join(map(repr, examples))}" if examples else None
