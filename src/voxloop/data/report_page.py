"""`report.html`: what a dataset holds, on one page that a person can read without any program but a browser.

Made from the manifest and the columns beside the audio. The same dataset gives the same bytes: no time, no place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from voxloop.data.corpora import CORPORA, find_corpus
from voxloop.data.manifest import Manifest, load_manifest
from voxloop.data.report_figures import count_labels, count_speakers, measure_numbers, measure_words
from voxloop.data.report_markup import (
    MOST_ROWS,
    PAGE,
    draw_histogram,
    escape_text,
    make_list,
    make_note,
    make_section,
    make_table,
)
from voxloop.data.schema import QUARANTINE_SCHEMA, TRAITS
from voxloop.data.shards import read_manifest
from voxloop.data.splits import SPLITS
from voxloop.store.atomic import write_file

REPORT_NAME = "report.html"

_LABELS = ("emotion", "gender", "language")
_UNITS = {
    "duration_s": "s",
    "loudness_dbfs": "dB of full scale",
    "age": "years",
    **dict.fromkeys(TRAITS, "points on its scale"),
}
_COLUMNS = ("speaker_id", "split", "text", "source", "licence", "device", *_LABELS, *_UNITS)
_EXAMPLES = 3  # of each reason to refuse
_COMMONEST = 25  # words
_CONFIG_LINES = 200


def write_report(dataset: Path) -> Path:
    """Write `report.html` into a dataset folder.

    Args:
        dataset: A folder `ingest` wrote, or is writing: its manifest and shards are there.

    Returns:
        The page: self-contained, without scripts, links or time stamps; the same dataset gives the same bytes.

    Raises:
        InputError: It is no dataset.
        IntegrityError: Shards and manifest disagree.
    """
    manifest, rows = load_manifest(dataset), read_manifest(dataset, _COLUMNS)
    sections = (
        _describe_origin(manifest, rows),
        _describe_fate(manifest, dataset / "quarantine.parquet"),
        _describe_splits(manifest, rows),
        *(_describe_labels(rows, column) for column in _LABELS),
        *(_describe_numbers(manifest, rows, column, unit) for column, unit in _UNITS.items()),
        _describe_words(rows),
        _describe_speakers(manifest, rows),
        _name_empty_columns(rows),
        _describe_files(manifest),
    )
    title = escape_text(f"Dataset of corpus {manifest.corpus}")
    page = PAGE.substitute(title=title, body="\n".join((f"<h1>{title}</h1>", *filter(None, sections))))
    return write_file(dataset / REPORT_NAME, page)


def _describe_origin(manifest: Manifest, rows: pa.Table) -> str:
    reader = find_corpus(manifest.corpus) if manifest.corpus in CORPORA else None
    facts = [
        *([("corpus", reader.title), ("as its authors say", reader.size or "no size is told")] if reader else []),
        *((column, _join_values(rows, column)) for column in ("source", "licence", "device")),
        ("rows", manifest.utterances),
        ("hours", f"{manifest.hours:,.6g}"),
        ("speakers", manifest.speakers),
        *([("recorded before", manifest.recorded_before.isoformat())] if manifest.recorded_before else []),
        ("every speaker says the same sentences", "yes" if manifest.parallel_texts else "no"),
        ("version of rows, and of the text's rules", f"{manifest.schema_version}, {manifest.text_normaliser}"),
    ]
    return make_section("What it is", make_list(facts))


def _join_values(rows: pa.Table, column: str) -> str:
    found = count_labels(rows, column)
    told = "; ".join(f"{one.value} ({one.rows:,} rows)" for one in found[:5])
    return (told or "none") + (f"; and {len(found) - 5:,} more" if len(found) > 5 else "")


def _describe_fate(manifest: Manifest, quarantine: Path) -> str:
    refused = sum(manifest.quarantined.values())
    fates = [
        ("taken in", manifest.utterances),
        ("refused", refused),
        ("left out: speakers nobody asked for", manifest.left_out),
        ("withheld: speakers who were erased", manifest.erased),
    ]
    total = sum(count for _, count in fates)
    parts = [make_table(("what became of it", "utterances"), [*fates, ("all that were found", total)])]
    parts += [_describe_refusals(manifest.quarantined, quarantine)] if refused else [make_note("Nothing was refused.")]
    return make_section("What was found", *parts)


def _describe_refusals(reasons: Mapping[str, int], quarantine: Path) -> str:
    table = pq.read_table(quarantine) if quarantine.is_file() else QUARANTINE_SCHEMA.empty_table()
    ranked = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [(reason, count, _give_examples(table, reason)) for reason, count in ranked[:MOST_ROWS]]
    return make_table(("reason to refuse", "files", "the first of them"), rows, rest=len(ranked) - len(rows))


def _give_examples(table: pa.Table, reason: str) -> str:
    first = table.filter(pc.equal(table["reason"], reason)).slice(0, _EXAMPLES).to_pylist()
    return " · ".join(f"{one['path'][:80]}: {one['detail'][:120]}" for one in first) or "no file is named"


def _describe_splits(manifest: Manifest, rows: pa.Table) -> str:
    grouped = rows.group_by("split").aggregate([("duration_s", "sum")]).to_pydict()
    seconds = dict(zip(grouped["split"], grouped["duration_s_sum"], strict=True))
    lines = [
        (name, count.utterances, count.speakers, (seconds.get(name) or 0.0) / 3600.0)
        for name, count in ((split, manifest.splits[split]) for split in SPLITS if split in manifest.splits)
    ]
    table = make_table(("split", "rows", "speakers", "hours"), lines, bars=[float(line[1]) for line in lines])
    return make_section("Splits", table, make_note("A split is a function of the speaker: nobody is in two of them."))


def _describe_labels(rows: pa.Table, column: str) -> str:
    found = count_labels(rows, column)
    if not found:
        return ""
    lines = [(one.value, one.rows, *one.by_split) for one in found]
    table = make_table((column, "rows", *SPLITS), lines, bars=[float(one.rows) for one in found])
    return make_section(column, table, _count_missing(len(rows), sum(one.rows for one in found)))


def _count_missing(rows: int, filled: int) -> str:
    return make_note("Every row has one." if rows == filled else f"{rows - filled:,} of {rows:,} rows have none.")


def _describe_numbers(manifest: Manifest, rows: pa.Table, column: str, unit: str) -> str:
    found = measure_numbers(rows[column])
    if found is None:
        return ""
    told = manifest.numbers.get(column, found.summary)
    headings = ("rows", "mean", "sd", "lowest", "median", "highest")
    figures = (told.count, told.mean, told.sd, told.minimum, found.median, told.maximum)
    drawn = draw_histogram(found.counts, told.minimum, told.maximum, unit)
    return make_section(
        f"{column}, {unit}", make_table(headings, [figures]), drawn, _count_missing(len(rows), told.count)
    )


def _describe_words(rows: pa.Table) -> str:
    found = measure_words(rows["text"], _COMMONEST)
    if found is None:
        return ""
    facts = [
        ("texts", found.texts),
        ("different texts", found.distinct_texts),
        ("words", found.words),
        ("different words", found.distinct_words),
        ("words a text", found.words / found.texts),
        (f"alphabet ({found.all_letters:,} characters)", " ".join(found.letters)),
    ]
    commonest = make_table(("commonest words", "times"), found.commonest, bars=[float(n) for _, n in found.commonest])
    return make_section("text", make_list(facts), commonest, _count_missing(len(rows), found.texts))


def _describe_speakers(manifest: Manifest, rows: pa.Table) -> str:
    listed, sizes = count_speakers(rows, MOST_ROWS)
    if sizes is None:
        return ""
    lines = [(one.speaker_id, one.split, one.rows, one.seconds / 60.0) for one in listed]
    drawn = draw_histogram(sizes.counts, sizes.summary.minimum, sizes.summary.maximum, "rows a speaker")
    rest = max(0, manifest.speakers - len(lines))
    table = make_table(("speaker", "split", "rows", "minutes"), lines, rest=rest)
    return make_section("Speakers", drawn, table)


def _name_empty_columns(rows: pa.Table) -> str:
    empty = [column for column in rows.column_names if rows[column].null_count == len(rows)]
    if not empty:
        return ""
    return make_section("Empty columns", make_note(f"No row has a value for {', '.join(empty)}."))


def _describe_files(manifest: Manifest) -> str:
    shards = [(shard.path, shard.rows, shard.sha256) for shard in manifest.shards]
    lines = yaml.safe_dump(
        manifest.config, sort_keys=True, default_flow_style=None, allow_unicode=True, width=110
    ).splitlines()
    hidden = [make_note(f"and {len(lines) - _CONFIG_LINES:,} more lines")] if len(lines) > _CONFIG_LINES else []
    config = "\n".join(escape_text(line) for line in lines[:_CONFIG_LINES])
    table = make_table(("shard", "rows", "sha256"), shards)
    return make_section("Files and configuration", table, f"<pre>{config}</pre>", *hidden)
