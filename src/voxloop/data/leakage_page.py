"""`leakage.html`: the report as a page a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from voxloop.data.leakage_report import KINDS, LeakageReport, LeakFinding
from voxloop.store.atomic import write_file

PAGE_NAME = "leakage.html"

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0;width:100%}td,th{padding:.3em .7em;border-bottom:1px solid #ddd;"
    "text-align:left;vertical-align:top}.PASS{color:#176117}.FAIL,.blocks{color:#a01515}"
    ".CANNOT_TELL{color:#8a5a00}.number{text-align:right}"
)
_SIDES = ("against", "utterances", "too short for a fingerprint", "digest")
_KINDS = ("", "kind", "in", "training utterances", "evaluation utterances", "what it means")
_PAIRS = ("training", "evaluation", "why")


def write_page(report: LeakageReport, folder: Path) -> Path:
    """Write `leakage.html` into `folder`; it refers to nothing outside itself."""
    sides = [(one.name, one.utterances, one.too_short, one.digest[:12]) for one in report.sides]
    found = [_describe(finding) for finding in report.findings]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Leakage: {report.verdict}</title>",
        f"<style>{_STYLE}</style>",
        f"<h1>Leakage: <span class={report.verdict}>{report.verdict}</span></h1>",
        f"<p>{report.train_utterances} training utterances for the task {escape(report.task)}.</p>",
        f"<p>{report.train_too_short} of them are too short for a fingerprint.</p>",
        *(f"<p class=CANNOT_TELL>{escape(doubt)}</p>" for doubt in report.doubts),
        _table(_SIDES, sides),
        _table(_KINDS, found) if found else "<p>Nothing of the evaluation was found in training.</p>",
        *(_list_pairs(finding) for finding in report.findings),
        "</html>\n",
    ]
    return write_file(folder / PAGE_NAME, "\n".join(parts))


def _describe(finding: LeakFinding) -> tuple[str | int, ...]:
    counts = (finding.train_utterances, finding.evaluation_utterances)
    return ("blocks" if finding.blocks else "reported", finding.kind, finding.side, *counts, KINDS[finding.kind])


def _list_pairs(finding: LeakFinding) -> str:
    pairs = [(pair.train, pair.evaluation, pair.reason) for pair in finding.pairs]
    return f"<h2>{escape(finding.kind)} in {escape(finding.side)}</h2>{_table(_PAIRS, pairs)}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str | int, ...]]) -> str:
    lines = ["".join(map(_cell, row)) for row in rows]
    return "".join(
        ["<table><tr>", *(f"<th>{escape(name)}" for name in head), *(f"<tr>{line}" for line in lines), "</table>"]
    )


def _cell(value: str | int) -> str:
    if isinstance(value, int):
        return f"<td class=number>{value:,}"
    return f"<td{' class=blocks' if value == 'blocks' else ''}>{escape(value)}"
