"""One fault of a family through the whole pipeline, as every night: evaluated, judged, tracked and turned away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from voxloop.config import find_config, load_config
from voxloop.errors import ConfigError, VoxloopError
from voxloop.evaluation.judgement import Judgement
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.bench import Bench
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.config import Expectation, SelfTestConfig
from voxloop.selftest.trial import FAULTS, Outcome, matches, read_objections
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

IN_PIPELINE = "pipeline: "
CONTROL = f"{IN_PIPELINE}first champion"
BECAUSE = "the self-test's own first model, of a registry that is thrown away"
EXPORT, INGEST = "export", "ingest"


@dataclass(frozen=True)
class Night:
    """What one run of the pipeline `training` left.

    Args:
        error: Why it did not come to its end; empty when it did.
        data_verdict: What was said of the data.
        judgement: What the gate said; None when it was not asked.
        has_registered: Whether the step that registers ran.
        version: Number of the version registered.
        recorded: The verdict by which MLflow knows the run; empty where it knows none.
        folders: What each step wrote.
    """

    error: str = ""
    data_verdict: str | None = None
    judgement: Judgement | None = None
    has_registered: bool = False
    version: int | None = None
    recorded: str = ""
    folders: Mapping[str, Path] | None = None

    @property
    def verdict(self) -> Verdict | None:
        """What the gate said."""
        return self.judgement.verdict if self.judgement else None


@dataclass(frozen=True)
class Standing:
    """What a registry holds of a family: its versions, and who has which alias."""

    versions: tuple[int, ...]
    challenger: int | None
    champion: int | None


class Platform(Protocol):
    """A platform of the self-test's own: state folder, job store, ledger and registry of one family."""

    def run(self, name: str, arguments: Mapping[str, object]) -> Night:
        """Run the pipeline `training` as the nightly run does."""

    def appoint(self, version: int) -> None:
        """Make a registered version the champion."""

    def read_standing(self) -> Standing:
        """Return what the registry holds."""

    def replace_export(self, exported: Path, model: Path) -> None:
        """Have the job store give another model to whoever asks for that export again."""


def try_pipeline(task: str, seed: int, config: SelfTestConfig, platform: Platform, folder: Path) -> list[Outcome]:
    """Make a champion by the whole pipeline, then send a fault the same way.

    The fault is the champion's own export, destroyed: the second run trains and exports as the first did, finds both
    done, and goes on with what lies in the place of the model. It must be turned away for its reason, be tracked, and
    leave the registry as it was.

    Args:
        task: Family.
        seed: Of world and training.
        config: The numbers.
        platform: Where it happens.
        folder: Existing, empty; for the fault.
    """
    expected, name = config.faults[config.pipeline.fault], f"{IN_PIPELINE}{config.pipeline.fault}"
    arguments = _arguments(task, seed, config)
    first = platform.run("sound", {**arguments, "bootstrap": True, "because": BECAUSE})
    control = judge_control(Outcome(CONTROL, task, seed, first.verdict, "", good=False, is_control=True), first)
    if not control.good or first.version is None or first.folders is None:
        untried = "there was no champion to hold it against"
        return [control, Outcome(name, task, seed, None, untried, good=False, is_control=False)]
    platform.appoint(first.version)
    before = platform.read_standing()
    planted = _make_fault(task, seed, config, first.folders, folder)
    platform.replace_export(first.folders[EXPORT], planted)
    second = platform.run("fault", arguments)
    blank = Outcome(name, task, seed, second.verdict, "", good=False, is_control=False)
    return [control, judge_fault(blank, second, expected, digest_tree(planted), before == platform.read_standing())]


def judge_control(blank: Outcome, night: Night) -> Outcome:
    """Return the outcome of a run that must end in a challenger."""
    good = night.verdict is Verdict.PASS and night.version is not None and not night.error
    said = [one.text for one in read_objections(night.judgement)] if night.judgement else []
    why = [night.error, *said, f"data {night.data_verdict}, version {night.version}"]
    return _complete(blank, next(one for one in why if one), good=good)


def judge_fault(blank: Outcome, night: Night, expected: Expectation, planted: str, is_untouched: bool) -> Outcome:
    """Return the outcome of a run that must end with the gate.

    Args:
        blank: Whose it is.
        night: What the run left.
        expected: By what the fault must be caught.
        planted: Digest of the model it was to judge.
        is_untouched: Whether the registry is as it was before.
    """
    if night.error or night.judgement is None:
        return _complete(blank, night.error or f"it never came to the gate: data {night.data_verdict}", good=False)
    objections = read_objections(night.judgement)
    hits = [one for one in objections if matches(one, expected)]
    wrong = {
        "the gate judged another model than the one planted": night.judgement.model_digest != planted,
        "it was registered": night.has_registered or night.version is not None or not is_untouched,
        f"MLflow knows the run by {night.recorded or 'no verdict'}": night.recorded != night.judgement.verdict,
    }
    problems = [text for text, found in wrong.items() if found]
    reasons = [*problems, *(one.text for one in (*hits, *objections)), "no objection"]
    good = bool(hits) and night.verdict is not Verdict.PASS and not problems
    return _complete(blank, reasons[0], good=good)


def _complete(blank: Outcome, reason: str, *, good: bool) -> Outcome:
    return Outcome(blank.name, blank.task, blank.seed, blank.verdict, reason, good, blank.is_control)


def _arguments(task: str, seed: int, config: SelfTestConfig) -> dict[str, object]:
    ours = config.pipeline
    return {
        "task": task,
        "config": ours.config,
        "policy": config.policy,
        "corpus": "world",
        "corpus_overrides": [*ours.corpus, f"world.seed={seed}", f"split.salt=selftest-{seed}"],
        "overrides": [*ours.overrides, f"seed={seed}"],
    }


def _make_fault(task: str, seed: int, config: SelfTestConfig, folders: Mapping[str, Path], folder: Path) -> Path:
    """Destroy what the first run exported, on a bench of its dataset and model."""
    policy = load_config(GatePolicy, find_config("gates", config.policy))
    bench = Bench(task, seed, config, policy, folder)
    bench.dataset.symlink_to(folders[INGEST], target_is_directory=True)
    bench.model.symlink_to(folders[EXPORT], target_is_directory=True)
    made = FAULTS[config.pipeline.fault](bench, folder / "planted")
    if not isinstance(made, Challenge) or not made.model.is_relative_to(folder / "planted"):
        raise ConfigError(
            f"pipeline.fault {config.pipeline.fault!r} makes no model of its own",
            rule="what goes through the pipeline is an exported model, destroyed",
            remedy="name another fault in configs/selftest",
        )
    if digest_tree(made.model) == digest_tree(folders[EXPORT]):
        raise VoxloopError(f"{config.pipeline.fault} left the model as it was", remedy="name another fault")
    return made.model
