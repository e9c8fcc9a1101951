"""One run of Great Expectations: frames in, findings and data docs out.

The context is ephemeral, with analytics off; nothing is sent anywhere.
"""

from __future__ import annotations

import logging
import os.path
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import great_expectations as gx
import pandas as pd
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from voxloop.adapters.validation_checks import Check
from voxloop.adapters.validation_report import Found
from voxloop.store.atomic import write_file
from voxloop.verdict import Verdict

if TYPE_CHECKING:
    from great_expectations.data_context.store.store import DataDocsSiteConfigTypedDict

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""A pure step holds no clock: the same data gives the same report."""

_REMOTE_LOGO = re.compile(r"https://[^\"'\s]*/logo-long\.png\?d=[\w.]+")
_MOMENT = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EXAMPLES = 3


@dataclass(frozen=True)
class Asked:
    """What a frame answered.

    Args:
        found: A finding a check, in the order they were asked.
        complete: Whether every check has an answer.
    """

    found: tuple[Found, ...]
    complete: bool


class ExpectationRun:
    """Several frames held against their checks in one context, so that their data docs are one site.

    Args:
        name: Of the run in the data docs.
        failing_rows: How many rows that break an expectation are named.
    """

    def __init__(self, name: str, failing_rows: int) -> None:
        logging.getLogger("great_expectations").setLevel(logging.WARNING)  # at INFO it tells of every store it opens
        self._name = name
        self._failing_rows = failing_rows
        self._context = gx.get_context(mode="ephemeral", project_config=_context_config())
        self._source = self._context.data_sources.add_pandas("dataset")

    def ask(
        self,
        about: str,
        frame: pd.DataFrame,
        checks: Sequence[Check],
        *,
        index: Sequence[str] = (),
        name_row: Callable[[int], str] = str,
    ) -> Asked:
        """Hold a frame against checks.

        Args:
            about: What a row of the frame is; it names the suite.
            frame: The rows.
            checks: What is asked.
            index: Columns that tell which row breaks a rule: its name, and its number where it may have none.
            name_row: Returns the name of the row of a number.
        """
        for check in checks:
            check.expectation.notes = check.says
        batch = self._source.add_dataframe_asset(about).add_batch_definition_whole_dataframe("all")
        name = f"{self._name}-{about}"
        suite = self._context.suites.add(gx.ExpectationSuite(name, expectations=[one.expectation for one in checks]))
        definition = self._context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batch, suite=suite)
        )
        outcome = definition.run(
            batch_parameters={"dataframe": frame},
            result_format=self._result_format(index),
            run_id=RunIdentifier(run_name=self._name, run_time=NO_TIME),
        )
        answers = {result.expectation_config.id: result for result in outcome.results if result.expectation_config}
        answered = [(check, answers.get(one.id)) for check, one in zip(checks, suite.expectations, strict=True)]
        found = tuple(describe(check, answer, index, name_row) for check, answer in answered if answer is not None)
        return Asked(found, complete=len(found) == len(checks))

    def write_docs(self, docs: Path) -> None:
        """Write the data docs of all that was asked into a new folder."""
        self._context.add_data_docs_site("data_docs", _site_config(docs))
        self._context.build_data_docs()
        settle_docs(docs)

    def _result_format(self, index: Sequence[str]) -> dict[str, object]:
        named = {"unexpected_index_column_names": list(index)} if index else {}
        return {
            "result_format": "SUMMARY",
            "partial_unexpected_count": self._failing_rows,
            "return_unexpected_index_query": False,  # it would spell the number of every failing row
            **named,
        }


def describe(check: Check, answer: Any, index: Sequence[str], name_row: Callable[[int], str]) -> Found:
    """Return what Great Expectations answered to a check."""
    config, result = answer.expectation_config, answer.result
    errors = _errors(answer.exception_info)
    holds = bool(answer.success) and not errors
    return Found(
        check=check.says,
        expectation=config.type,
        column=check.column,
        success=None if errors else holds,
        observed=errors[0] if errors else _observed(result),
        allowed=_allowed(config.kwargs),
        unexpected=result.get("unexpected_count"),
        rows=() if holds else tuple(_name_rows(result, index, name_row)),
        verdict=Verdict.PASS if holds else Verdict.CANNOT_TELL if errors else check.broken,
    )


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


def _context_config() -> DataContextConfig:
    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
        data_docs_sites={},
    )


def _site_config(docs: Path) -> DataDocsSiteConfigTypedDict:
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    return cast("DataDocsSiteConfigTypedDict", site)  # its type does not know of the buttons


def _errors(info: dict[str, Any]) -> list[str]:
    """Return the messages of what was raised; the information is one record, or one a metric."""
    records = [info] if "raised_exception" in info else list(info.values())
    return sorted(str(record["exception_message"]) for record in records if record["raised_exception"])


def _observed(result: dict[str, Any]) -> str | None:
    if "observed_value" in result:
        value = result["observed_value"]
        quantiles = value.get("values") if isinstance(value, dict) else None
        return _figure(value) if quantiles is None else " ".join(map(_figure, quantiles))
    values = result.get("partial_unexpected_list", [])
    if all(value is None or value != value for value in values):  # noqa: PLR0124 - a NaN is another one than itself
        return None  # null is no example of anything
    examples = list(dict.fromkeys(map(_figure, values)))[:_EXAMPLES]
    return f"such as {', '.join(examples)}" if examples else None


def _allowed(kwargs: dict[str, Any]) -> str | None:
    if "quantile_ranges" in kwargs:
        return " ".join(f"{_figure(low)}..{_figure(high)}" for low, high in kwargs["quantile_ranges"]["value_ranges"])
    if "value_set" in kwargs:
        return "one of " + ", ".join(map(_figure, kwargs["value_set"]))
    least, most = kwargs.get("min_value"), kwargs.get("max_value")
    if least is None and most is None:
        return None
    words = ("above" if kwargs.get("strict_min") else "at least", "at most")
    return " and ".join(
        f"{word} {_figure(one)}" for word, one in zip(words, (least, most), strict=True) if one is not None
    )


def _figure(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value) if isinstance(value, str) else str(value)


def _name_rows(result: dict[str, Any], index: Sequence[str], name_row: Callable[[int], str]) -> list[str]:
    """Return the failing rows by the first of their index columns that is not null; a number alone gets a name."""
    names: list[str] = []
    for row in result.get("partial_unexpected_index_list") or []:
        values = [row[name] for name in index if row.get(name) is not None]
        if values:
            names.append(values[0] if isinstance(values[0], str) else name_row(int(values[0])))
    return names
