"""What does the gate say of real speech? `python -m benchmarks.real_gate --help`.

Of each corpus named a champion and a challenger are trained, the second for more epochs, exported, evaluated one
against the other under the shipped configuration and judged under the shipped policy, by the jobs of the command line.
RAVDESS and nEMO are parted by their own speakers. FSDD has six speakers in all: its official parts share them, training
takes the one and the test the other. So few speakers settle little, and `CANNOT_TELL` is the honest verdict.

What is finished is kept in OUT/CORPUS and not done again; a training that was stopped goes on from its checkpoint. The
platform's own state is not touched: job store and ledger lie in OUT/home.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cyclopts import App

from benchmarks.command import run_command
from benchmarks.real_drift.__main__ import parse_corpus
from voxloop.errors import InputError
from voxloop.evaluation.judgement import IntervalRecord, Judgement
from voxloop.evaluation.report import EVALUATION_NAME, Evaluation, read_json_record
from voxloop.jobs.card import card
from voxloop.jobs.evaluate import evaluate
from voxloop.jobs.export import export
from voxloop.jobs.gate import gate
from voxloop.jobs.ingest import ingest
from voxloop.jobs.train import train
from voxloop.settings import replace_settings
from voxloop.store.atomic import build_folder, write_file
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

RECIPE = "smoke"
CHAMPION, CHALLENGER = "champion", "challenger"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DEV = "lucas"
"""As of the shipped splits; older copies of the corpus hold no theo, and training needs somebody."""

app = App(name="python -m benchmarks.real_gate", help_format="plaintext")


@dataclass(frozen=True)
class Plan:
    """How one corpus is trained on and tested.

    Args:
        task: Family.
        epochs: Of champion and challenger.
        recipe: Changes to `configs/tasks/TASK/smoke.yaml` on top.
        learnt: Changes to the corpus' configuration for the dataset that is learnt from.
        tested: The same for the one that is tested; None where it is the same dataset.
    """

    task: str
    epochs: Mapping[str, int]
    recipe: tuple[str, ...] = ()
    learnt: tuple[str, ...] = ()
    tested: tuple[str, ...] | None = None


def _deal(part: str, dev: str = "") -> str:
    splits = ", ".join(f"{name}: {'dev' if name == dev else part}" for name in SPEAKERS)
    return f"split.table={{{splits}}}"


PLANS = {
    "ravdess": Plan(
        "emotion",
        {CHAMPION: 5, CHALLENGER: 20},
        recipe=("labels=[anger, calm, disgust, fear, happiness, neutral, sadness, surprise]",),
    ),
    "nemo": Plan(
        "emotion",
        {CHAMPION: 5, CHALLENGER: 20},
        recipe=("labels=[anger, fear, happiness, neutral, sadness, surprise]",),
    ),
    "fsdd": Plan(
        "asr",
        {CHAMPION: 10, CHALLENGER: 20},
        learnt=("parts=[train]", _deal("train", DEV)),
        tested=("parts=[test]", _deal("test")),
    ),
}


@app.default
def measure(*corpora: str, out: Path) -> None:
    """Hold a challenger against a champion on real corpora.

    Args:
        corpora: Each as NAME=FOLDER: ravdess, nemo, fsdd.
        out: What is made is kept here, a folder a corpus with verdict and card; run again, it goes on where it stopped.
    """
    chosen = dict(parse_corpus(one) for one in corpora)
    if not chosen or (unknown := sorted(chosen.keys() - PLANS.keys())) or len(chosen) < len(corpora):
        told = f"corpus {unknown[0]!r}" if chosen and unknown else f"{len(corpora)} corpora, {len(chosen)} different"
        raise InputError(told, rule=f"there are {', '.join(PLANS)}, each once", remedy="name NAME=FOLDER of one")
    out = out.absolute()
    replace_settings({"home": out / "home"})
    found = []
    for name, data in chosen.items():
        judge_corpus(name, data.absolute(), PLANS[name], out / name)
        found.append(summarise(name, out / name))
        print("\n".join(as_lines(found[-1])), flush=True)
    print(json.dumps({"benchmark": "real_gate", "corpora": found}))


def judge_corpus(name: str, data: Path, plan: Plan, folder: Path) -> None:
    """Go from a corpus to a verdict and its card, each step once.

    Raises:
        InputError: The folder was made of another corpus or by another plan.
        VoxloopError: A step failed; what was finished is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _bind(folder, data, plan)
    learnt = tested = folder / "data"
    _once(learnt, lambda out: ingest(data, out=out, corpus=name, overrides=plan.learnt))
    if plan.tested is not None:
        tested, changes = folder / "test", plan.tested
        _once(tested, lambda out: ingest(data, out=out, corpus=name, overrides=changes))
    for who, epochs in plan.epochs.items():
        make_model(who, learnt, folder, plan.task, (*plan.recipe, f"epochs={epochs}", f"patience={epochs}"))
    champion, challenger = folder / CHAMPION, folder / f"model-{CHALLENGER}"
    _once(champion, lambda out: appoint(folder / f"model-{CHAMPION}", out))
    _once(folder / "evaluation", lambda out: evaluate(challenger, tested, champion, out, task=plan.task))
    _once(folder / "gate", lambda out: gate(folder / "evaluation", out, task=plan.task))
    _once(folder / "card", lambda out: card(folder / "evaluation", out, verdict=folder / "gate"))


def make_model(who: str, dataset: Path, folder: Path, task: str, changes: tuple[str, ...]) -> None:
    """Train and export one of both."""
    weights = folder / f"weights-{who}"
    _once(weights, lambda out: train(dataset, out, task=task, config=RECIPE, overrides=changes))
    _once(folder / f"model-{who}", lambda out: export(weights, out))


def _bind(folder: Path, data: Path, plan: Plan) -> None:
    """Refuse a folder that holds the answer to another question."""
    asked = json.dumps({"data": str(data), **asdict(plan)}, indent=2) + "\n"
    kept = folder / "question.json"
    if kept.exists() and kept.read_text(encoding="utf-8") != asked:
        raise InputError(
            f"{folder} was made of another corpus folder or by another plan",
            rule="a folder answers one question",
            remedy="name another --out",
        )
    write_file(kept, asked)


def _once(out: Path, step: Callable[[Path], object]) -> None:
    """Do a step whose folder is not there; a folder appears whole or not at all."""
    if out.exists():
        print(f"{out.parent.name}: {out.name} is there", flush=True)
        return
    print(f"{out.parent.name}: {out.name}", flush=True)
    step(out)


def appoint(model: Path, out: Path) -> None:
    """Write a model as the champion in force, as `fetch-champion` copies it out of a registry."""
    with build_folder(out) as folder:
        (folder / "model").mkdir()
        for file in sorted(model.iterdir()):
            (folder / "model" / file.name).write_bytes(file.read_bytes())
        known = {"version": 1, "model_digest": digest_tree(folder / "model"), "ever": True}
        write_file(folder / "champion.json", json.dumps(known) + "\n")


def summarise(name: str, folder: Path) -> dict[str, Any]:
    """Return what was said of a corpus, for people and for the last line.

    Raises:
        InputError: The folder holds no verdict or no evaluation.
    """
    judged = read_json_record(Judgement, folder / "gate" / "verdict.json")
    counted = read_json_record(Evaluation, folder / "evaluation" / EVALUATION_NAME).sets[0].counts
    said = Counter(one.verdict for one in judged.reasons)
    return {
        "corpus": name,
        "task": judged.task,
        "policy": judged.policy.name,
        "verdict": str(judged.verdict),
        "speakers": counted.speakers,
        "utterances": counted.utterances,
        CHALLENGER: _as_numbers(judged.intervals.challenger),
        CHAMPION: _as_numbers(judged.intervals.champion),
        "lead": _as_numbers(judged.interval),
        "reasons": {str(verdict): said[verdict] for verdict in Verdict},
        "objections": [one.text for one in judged.reasons if one.verdict is not Verdict.PASS],
    }


def _as_numbers(interval: IntervalRecord | None) -> dict[str, Any] | None:
    return (
        None if interval is None else interval.model_dump(mode="json", include={"measure", "estimate", "low", "high"})
    )


def as_lines(found: Mapping[str, Any]) -> list[str]:
    """Return what was said of a corpus as lines for a person."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found["reasons"].items())
    rows = f"{found['utterances']} utterances of {found['speakers']} speakers"
    return [
        f"{found['corpus']} ({found['task']}): {found['verdict']}, {rows}; reasons: {counts}",
        *(f"  {who}: {_show(found[who])}" for who in (CHALLENGER, CHAMPION, "lead")),
        *(f"  {text}" for text in found["objections"]),
    ]


def _show(interval: Mapping[str, Any] | None) -> str:
    if interval is None or interval["estimate"] is None:
        return "not known"
    ends = " to ".join("?" if one is None else f"{one:.3f}" for one in (interval["low"], interval["high"]))
    return f"{interval['measure']} {interval['estimate']:.3f} ({ends})"


if __name__ == "__main__":
    run_command(app)
