"""The figures of a run: scored by a program of its own, written as JSON and as a page, and printed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.quality.answers import ANSWERS_NAME, REFERENCES_NAME
from benchmarks.quality.fold_run import FOLD_NAME, Run
from voxloop.settings import get_settings
from voxloop.store.atomic import write_file
from voxloop.store.revision import read_code_revision

HEADLINES = {"asr": ("wer", "cer"), "emotion": ("uar", "wa", "macro_f1"), "personality": ("ccc", "r", "mae")}


def write_report(run: Run, folds: Sequence[Path], asked_for: Sequence[str], command: Sequence[str]) -> dict[str, Any]:
    """Join the answers of the folds, have them scored, and write `report.json` and `report.md`.

    Args:
        run: What was asked.
        folds: Folders of the finished folds.
        asked_for: Names of all folds, finished or not.
        command: The command line.
    """
    paths = [_join(folds, name, run.out) for name in (ANSWERS_NAME, REFERENCES_NAME)]
    told = {folder.name: json.loads((folder / FOLD_NAME).read_text(encoding="utf-8")) for folder in folds}
    revision = read_code_revision(get_settings().project_root)
    report = {
        "schema_version": 1,
        "command": " ".join(command),
        "question": asdict(run.question),
        "seed": run.recipe.seed,
        "commit": revision.commit,
        "dirty": revision.dirty,
        "caution": run.quality.caution,
        "folds_asked_for": list(asked_for),
        "folds": told,
        "score": judge(*paths),
    }
    write_file(run.out / "report.json", json.dumps(report, indent=2) + "\n")
    write_file(run.out / "report.md", "\n".join(describe(report)) + "\n")
    return report


def judge(answers: Path, references: Path) -> dict[str, Any]:
    """Return what the separate program says of two files."""
    command = [sys.executable, "-m", "benchmarks.quality.score", str(answers.resolve()), str(references.resolve())]
    root = get_settings().project_root
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return the lines of the page."""
    question, score = report["question"], report["score"]
    measures = HEADLINES[question["task"]]
    model = question["baseline"] or f"ours, {question['config']}"
    shuffled = ", training labels shuffled" if question["shuffled"] else ""
    commit = report["commit"][:12] + (" with changes" if report["dirty"] else "")
    parts = f"{len(report['folds'])} of {len(report['folds_asked_for'])} folds"
    tested = f"{score['utterances']} test utterances of {score['speakers']} speakers"
    lines = [
        f"# {question['task']} on {question['corpus']}, folds {question['folds']}: {model}{shuffled}",
        "",
        f"`{report['command']}`",
        "",
        f"Commit {commit}, seed {report['seed']}; {parts}; {tested}.",
        *([report["caution"]] if report["caution"] else []),
        "",
        f"| fold | {' | '.join(measures)} | epochs | training, processor |",
        f"| --- | {'--- | ' * len(measures)}--- | --- |",
    ]
    for fold, found in score["folds"].items():
        told = report["folds"][fold]
        epochs = f"{told['best_epoch']} of {told['epochs']}" if "epochs" in told else ""
        lines.append(f"| {fold} | {_figures(found, measures)} | {epochs} | {told['seconds'] / 60:.1f} min |")
    mean, every = score["mean_of_folds"], score["all"]
    lines += [
        f"| mean of folds, 95 % over folds | {' | '.join(_with_interval(mean[name]) for name in measures)} | | |",
        f"| all together, 95 % over speakers | {' | '.join(_with_interval(every[name]) for name in measures)} | | |",
    ]
    if question["task"] == "personality":
        lines += ["", "| trait | CCC | r | MAE |", "| --- | --- | --- | --- |"]
        for trait in [name.removeprefix("ccc_") for name in every if name.startswith("ccc_")]:
            kinds = " | ".join(_with_interval(every[f"{kind}_{trait}"]) for kind in ("ccc", "r", "mae"))
            lines.append(f"| {trait} | {kinds} |")
    return lines


def _figures(found: Mapping[str, float | None], measures: Sequence[str]) -> str:
    return " | ".join("—" if (value := found[name]) is None else f"{value:.4f}" for name in measures)


def _with_interval(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "—"
    if found["low"] is None:
        return f"{found['value']:.4f} (no interval: {found['count']} {found['over']})"
    return f"{found['value']:.4f} ({found['low']:.4f} to {found['high']:.4f})"


def _join(folds: Sequence[Path], name: str, out: Path) -> Path:
    lines = [
        json.dumps({**json.loads(line), "fold": folder.name}, ensure_ascii=False)
        for folder in folds
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
    ]
    return write_file(out / name, "\n".join(lines) + "\n")
