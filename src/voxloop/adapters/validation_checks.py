"""A check: what is asked in words, the column it is about, and the expectation of Great Expectations that asks it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from great_expectations.expectations import core as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from voxloop.adapters import validation_audio, validation_columns
from voxloop.adapters.validation_columns import agreement_column, finite_column, named_column
from voxloop.adapters.validation_rows import list_kinds
from voxloop.adapters.validation_suite import Range, SuiteConfig
from voxloop.data.manifest import Manifest
from voxloop.data.profile import SPEAKING_RATE
from voxloop.data.schema import ADDED_COLUMNS, TRAITS, UTTERANCE_SCHEMA
from voxloop.data.splits import SPLITS
from voxloop.verdict import Verdict

SOUND_COLUMNS = ("sample_rate", "num_samples", "duration_s", "loudness_dbfs")


@dataclass(frozen=True)
class Check:
    """One question to a frame.

    Args:
        says: What is asked, in words.
        column: The column of the dataset it is about; None for the table.
        expectation: Asks it, of that column or of one derived from it.
        broken: What follows when it does not hold.
    """

    says: str
    column: str | None
    expectation: Expectation
    broken: Verdict = Verdict.FAIL

    @property
    def needs(self) -> str | None:
        """Return the column of the frame it reads."""
        return getattr(self.expectation, "column", None) or self.column


def check_shards() -> list[Check]:
    """Return what is asked of the files, a row each: counts, digests, columns and their Parquet types."""
    counted = gxe.ExpectColumnPairValuesToBeEqual(column_A="rows", column_B="promised_rows")
    hashed = gxe.ExpectColumnPairValuesToBeEqual(column_A="sha256_of_file", column_B="promised_sha256")
    types = [
        Check(
            "no shard has it with another type"
            if field.name in ADDED_COLUMNS
            else "every shard has it with the promised type",
            field.name,
            gxe.ExpectColumnValuesToBeInSet(column=field.name, value_set=list_kinds(field)),
        )
        for field in UTTERANCE_SCHEMA
    ]
    return [
        Check("every shard has as many rows as the manifest says", None, counted),
        Check("every shard is the file the manifest has the digest of", None, hashed),
        Check(
            "no shard has a column beyond the schema",
            None,
            gxe.ExpectColumnValuesToBeInSet(column="columns_beyond", value_set=[""]),
        ),
        *types,
    ]


def check_counts(config: SuiteConfig) -> list[Check]:
    """Return what is asked about how many rows there are: in all, and in each split."""
    least = {split: max(1, config.minimum_rows.get(split, 1)) for split in SPLITS}
    table = Check(
        "there are enough rows",
        None,
        gxe.ExpectTableRowCountToBeBetween(min_value=sum(least.values())),
        Verdict.CANNOT_TELL,
    )
    splits = [
        Check(
            f"there are enough rows of {split}",
            "split",
            gxe.ExpectTableRowCountToBeBetween(min_value=count, row_condition=Column("split") == split),
            Verdict.CANNOT_TELL,
        )
        for split, count in least.items()
    ]
    return [table, *splits]


def check_rows(config: SuiteConfig, columns: Iterable[str], sources: Sequence[str]) -> list[Check]:
    """Return what is asked of the rows themselves.

    Args:
        config: The suite's numbers.
        columns: Columns of the frame; what needs another one is not asked.
        sources: The sources the rows are from, for the scales of their traits.
    """
    asked = (
        *_presence(config),
        *_uniqueness(config),
        *_vocabulary(config),
        *_ranges(config),
        *_consistency(config),
        *_traits(config, sources),
    )
    there = set(columns)
    return [check for check in asked if check.needs in there]


def check_figures(manifest: Manifest, config: SuiteConfig, figures: Mapping[str, float | None]) -> list[Check]:
    """Return what is asked of a dataset as a whole, a frame of one row.

    Args:
        manifest: What the rows must add up to.
        config: The suite's numbers.
        figures: What there is to ask about; None for a figure that could not be told.
    """
    promised = {"utterances": manifest.utterances, "speakers": manifest.speakers}
    promised |= {f"utterances_of_{split}": count.utterances for split, count in manifest.splits.items()}
    checks = [
        Check(f"{name.replace('_', ' ')}: as many as the manifest says", None, between(name, count, count))
        for name, count in promised.items()
        if figures.get(name) is not None
    ]
    if figures.get("hours") is not None:
        hours = between("hours", manifest.hours - 1e-5, manifest.hours + 1e-5)
        checks.append(Check("hours: as many as the manifest says", "duration_s", hours))
    if figures.get("text_lag") is not None:
        lag = gxe.ExpectColumnValuesToBeInSet(column="text_lag", value_set=[0])
        checks.append(Check("texts fit the durations of their own rows better than those of rows nearby", "text", lag))
        fit = between("text_fit", config.text.least_fit, 1)
        checks.append(Check("longer texts take longer", "text", fit))
    return checks


def between(column: str, minimum: float | None, maximum: float | None, **options: Any) -> Expectation:
    """Return the expectation that a column lies between two bounds, both inside."""
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=minimum, max_value=maximum, **options)


def _presence(config: SuiteConfig) -> Iterator[Check]:
    required = [field.name for field in UTTERANCE_SCHEMA if not field.nullable]
    if config.sound == "required":
        required += SOUND_COLUMNS
    for name in required:
        yield Check("no row is without it", name, gxe.ExpectColumnValuesToNotBeNull(column=name))
    for name, share in config.maximum_missing.items():
        says = f"at most {share:.0%} of the rows are without it"
        yield Check(says, name, gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=1 - share))
    for field in UTTERANCE_SCHEMA:
        if field.type == "double":
            yield Check("it is a finite number", field.name, _is_true(finite_column(field.name)))


def _uniqueness(config: SuiteConfig) -> Iterator[Check]:
    yield Check("no two rows share it", "utterance_id", gxe.ExpectColumnValuesToBeUnique(column="utterance_id"))
    mostly = 1 - config.maximum_repeated_audio
    yield Check("no two rows share it", "sha256", gxe.ExpectColumnValuesToBeUnique(column="sha256", mostly=mostly))


def _vocabulary(config: SuiteConfig) -> Iterator[Check]:
    sound = [validation_audio.SOUND] + ([validation_audio.NO_SOUND] if config.sound == "optional" else [])
    sets: dict[str, tuple[str, str, Sequence[object]]] = {
        "split": ("it is one of the splits", "split", SPLITS),
        "sample_rate": ("it is the rate of the suite", "sample_rate", [config.sample_rate]),
        **{name: ("it is one of the known labels", name, labels) for name, labels in config.labels.items()},
        validation_columns.AUDIO_FAULT: ("it is whole and what its row says", "audio", sound),
        validation_columns.TEXT_FAULT: ("it is written in its own letters", "text", [validation_columns.SOUND]),
        validation_columns.TIME_FAULT: ("it can have been then", "recorded_at", [validation_columns.SOUND]),
    }
    for name, (says, column, values) in sets.items():
        yield Check(says, column, gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(values)))
    yield Check("it is one word", "utterance_id", _is_true(validation_columns.PLAIN_ID))
    yield Check("it is a SHA-256 in lower-case hex", "sha256", _is_true(validation_columns.HEX_DIGEST))


def _ranges(config: SuiteConfig) -> Iterator[Check]:
    ranges: dict[str, tuple[str, str, Range]] = {
        "duration_s": ("it lies within its range", "duration_s", config.duration_s),
        "loudness_dbfs": ("it lies within its range", "loudness_dbfs", config.loudness_dbfs),
        "age": ("it lies within its range", "age", config.age),
        SPEAKING_RATE: ("so many characters can be said in that time", "text", config.characters_per_second),
    }
    for name, (says, column, bounds) in ranges.items():
        yield Check(says, column, between(name, bounds.minimum, bounds.maximum))
    yield Check("there are samples", "num_samples", between("num_samples", 1, None))


def _consistency(config: SuiteConfig) -> Iterator[Check]:
    error = between(validation_columns.DURATION_ERROR, 0, config.duration_tolerance_s)
    yield Check("it is num_samples / sample_rate", "duration_s", error)
    for name, group in config.constant.items():
        # What most rows of the group say is taken for right, so that those named are those out of line.
        most = between(agreement_column(name), 0.5, 1, strict_min=True)
        yield Check(f"it is what most rows of the same {group} say", name, most)
    age = between(validation_columns.AGE_DIFFERENCE, 0, config.age_span)
    yield Check("it is the age of the same speaker elsewhere", "age", age)
    for name in config.named:
        yield Check(f"it holds the {name} of its row, as most do", "utterance_id", _is_true(named_column(name)))
    if config.learnt is not None:
        two = gxe.ExpectColumnUniqueValueCountToBeBetween(column=config.learnt, min_value=2)
        yield Check("there is something to tell apart", config.learnt, two)
        share = between(validation_columns.LABEL_SHARE, 0, config.largest_share)
        yield Check("no label takes nearly all rows", config.learnt, share)


def _traits(config: SuiteConfig, sources: Sequence[str]) -> Iterator[Check]:
    scales = [(config.traits.get(source, config.traits["*"]), source) for source in sources]
    for scale in dict.fromkeys((one.minimum, one.maximum) for one, _ in scales):
        of_scale = [source for one, source in scales if (one.minimum, one.maximum) == scale]
        alone = len(of_scale) == len(scales)
        condition: dict[str, Any] = {} if alone else {"row_condition": Column("source").is_in(of_scale)}
        for trait in TRAITS:
            yield Check(f"it is on the scale of {', '.join(of_scale)}", trait, between(trait, *scale, **condition))


def _is_true(column: str) -> Expectation:
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[True])
