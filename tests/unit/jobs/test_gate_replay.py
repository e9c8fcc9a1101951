"""`voxloop gate --replay`: which promotions it judges, and what becomes of one whose evidence is not whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from tests.unit.evaluation.cases import POLICY, judge, make_answers, policy_of, write_evaluation
from tests.unit.ledger.books import AT
from voxloop.adapters import mlflow_registry
from voxloop.errors import IntegrityError, ServiceUnavailableError
from voxloop.evaluation.gate import write_judgement
from voxloop.jobs.gate import gate
from voxloop.ledger.book import open_ledger
from voxloop.release.claims import close_claim, flip, take_claim, write_back
from voxloop.release.versions import (
    EVALUATION_DIGEST,
    MODEL_DIGEST,
    PROMOTED_AT,
    VERDICT,
    VERDICT_DIGEST,
    ModelVersion,
)
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree

PROMOTED = {PROMOTED_AT: "2026-01-02T03:00:00+00:00"}


class FolderRegistry:
    """Versions of emotion whose runs are folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions: list[ModelVersion] = []
        self.run_tags: dict[str, dict[str, str]] = {}

    def add(self, tags: Mapping[str, str] | None = None, *, quality: float = 0.97) -> ModelVersion:
        """Register a version that is right with this probability, and that the gate passes."""
        number = len(self.versions) + 1
        run = self.root / f"run-{number}"
        (run / "verdict").mkdir(parents=True)
        write_evaluation(run / "evaluation", make_answers(challenger=quality), model_digest=str(number) * 64)
        judgement = judge(run / "evaluation")
        write_judgement(judgement, run / "verdict")
        digests = {
            MODEL_DIGEST: str(number) * 64,
            EVALUATION_DIGEST: digest_tree(run / "evaluation"),
            VERDICT: str(judgement.verdict),
        }
        self.run_tags[run.name] = {VERDICT_DIGEST: digest_tree(run / "verdict")}
        version = ModelVersion("emotion", number, run.name, {**digests, **(tags or {})})
        self.versions.append(version)
        return version

    def list_versions(self, task: str) -> list[ModelVersion]:
        """Return those of a family."""
        return [version for version in self.versions if version.task == task]

    def read_run_tags(self, run_id: str) -> Mapping[str, str]:
        """Return the tags of a run."""
        return self.run_tags[run_id]

    def download_evidence(self, version: ModelVersion, name: str, out: Path) -> Path:
        """Copy a folder of the run."""
        folder = self.root / version.run_id / name
        if (self.root / version.run_id / "silent").exists():
            raise ServiceUnavailableError("MLflow does not answer", remedy="voxloop up")
        if not folder.is_dir():
            raise IntegrityError(f"MLflow holds no {name} of {version}", remedy="nothing can be said of it")
        return Path(shutil.copytree(folder, out / name))


@pytest.fixture
def registry(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderRegistry:
    made = FolderRegistry(tmp_path / "runs")
    monkeypatch.setattr(mlflow_registry, "MlflowRegistry", lambda _settings: made)
    return made


@pytest.fixture
def stricter(tmp_path: Path) -> str:
    path = tmp_path / "stricter.yaml"
    path.write_text(yaml.safe_dump(policy_of(limit=0.99).model_dump(mode="json")))
    return str(path)


def promote(settings: Settings, version: ModelVersion, *, is_kept: bool = True) -> None:
    """Put a version into service by the ledger, and write it back unless it is kept."""
    ledger = open_ledger(settings)
    claim = take_claim(ledger, version, replaces=None, place="here", at=AT)
    flip(ledger, claim, at=AT)
    if is_kept:
        close_claim(ledger, claim, at=AT)
    else:
        write_back(ledger, claim, at=AT, because="it never answered")


def test_what_was_promoted_is_judged_and_what_merely_passed_is_counted_apart(
    registry: FolderRegistry, settings: Settings, stricter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(PROMOTED)
    registry.add()
    promote(settings, registry.add(quality=1.0))
    told = gate(replay=True, policy=stricter)
    assert told == f"{stricter} would have stopped 1 of 2 promotions; 1 passed and were never promoted"
    lines = capsys.readouterr().out.splitlines()
    assert "emotion version 1  would have been stopped: CANNOT_TELL (was PASS under by-hand)" in lines
    assert "emotion version 2  passed and was never promoted" in lines
    assert "emotion version 3  goes through: PASS (was PASS under by-hand)" in lines


def test_a_promotion_that_was_written_back_is_none(registry: FolderRegistry, settings: Settings, stricter: str) -> None:
    promote(settings, registry.add(), is_kept=False)
    assert "0 of 0 promotions; 1 passed and were never promoted" in gate(replay=True, policy=stricter)


def test_what_never_passed_nor_served_is_not_spoken_of(registry: FolderRegistry, stricter: str) -> None:
    registry.add({VERDICT: "FAIL"})
    assert gate(replay=True, policy=stricter) == f"{stricter} would have stopped 0 of 0 promotions"


def lose_folder(name: str) -> Callable[[Path], object]:
    return lambda run: shutil.rmtree(run / name)


def change(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes((run / name).read_bytes() + b" ")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lose_folder("evaluation"), "MLflow holds no evaluation of emotion version 1"),
        (lose_folder("verdict"), "MLflow holds no verdict of emotion version 1"),
        (change("evaluation/evaluation.json"), "the evaluation of emotion version 1 has digest"),
        (change("verdict/verdict.json"), "the verdict of emotion version 1 has digest"),
        (lambda run: (run / "evaluation" / "answers.parquet").unlink(), "the evaluation of emotion version 1 has"),
        (lambda run: (run / "silent").touch(), "MLflow does not answer"),
    ],
)
def test_evidence_that_is_not_whole_cannot_tell_and_ends_nothing(
    registry: FolderRegistry,
    tmp_path: Path,
    spoil: Callable[[Path], object],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        registry.add(PROMOTED)
    spoil(registry.root / "run-1")
    same = tmp_path / "same.yaml"
    same.write_text(yaml.safe_dump(POLICY.model_dump(mode="json")))
    told = gate(replay=True, policy=str(same))
    assert told.endswith("would have stopped 0 of 2 promotions; of 1 it cannot tell, their evidence is not whole")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "emotion version 1  cannot be judged again: CANNOT_TELL"
    assert words in lines[1]
    assert lines[2].startswith("emotion version 2  goes through: PASS")


def test_a_version_that_names_no_digest_of_its_evidence_cannot_tell(registry: FolderRegistry, stricter: str) -> None:
    registry.add({**PROMOTED, EVALUATION_DIGEST: ""})
    registry.run_tags[registry.add(PROMOTED).run_id].clear()
    assert "of 2 it cannot tell" in gate(replay=True, policy=stricter)
