"""Recognition and personality through the whole pipeline: every real job, the real store and a real MLflow server.

Emotion is at home in `test_training`. Here a small world and few epochs, and policies that anything passes: what is shown
is that the family's data, features, model and evidence go all the way to a registered challenger.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.soak import in_soak
from voxloop.runners.rerun import rerun
from voxloop.runners.result import RunResult
from voxloop.runners.run import run
from voxloop.settings import Settings, get_settings
from voxloop.store.digests import digest_file
from voxloop.store.job_store import read_record

pytestmark = [
    pytest.mark.slow,
    in_soak("four runs of the pipeline, some ten minutes"),
]


@dataclass(frozen=True)
class Family:
    """How small a family is tried.

    Args:
        arguments: Of the pipeline, beside those of `configs/pipelines/training/local`.
        measure: What its easy policy asks for.
        limit: A bound that anything keeps.
        table: The table of features that it learns from.
    """

    arguments: dict[str, object]
    measure: str
    limit: float
    table: str | None


SIZE = ("world.home.speakers=24", "world.utterances_per_speaker=8")
HEARD = ("world.traits.voice=2", "world.traits.words=0.7", "max_refused_share=0.05")
FAMILIES = {
    "asr": Family(
        {"overrides": ["epochs=2", "patience=2"], "corpus_overrides": ["world.own_sentences=true", *SIZE]},
        measure="wer",
        limit=1e9,
        table=None,
    ),
    "personality": Family(
        {"config": "smoke", "corpus_overrides": [*HEARD, *SIZE]},
        measure="ccc",
        limit=-1e9,
        table="utterance_prosody.parquet",
    ),
}


@pytest.fixture(scope="module")
def platform(
    mlflow_server: Settings, clean_checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """The MLflow server of this module, and a clean checkout that has a policy of each family which anything passes."""
    copy = tmp_path_factory.mktemp("project") / "voxloop"
    shutil.copytree(clean_checkout, copy)
    for name, family in FAMILIES.items():
        rule = {"limit": family.limit, "comparison": {"kind": "non_inferiority", "margin": 1e9}}
        policy = {"version": 1, "claim": "new speakers", "minimum_speakers": 2, "minimum_utterances": 6, "level": 0.51}
        content = yaml.safe_dump(policy | {"measures": {family.measure: rule}})
        (copy / "configs" / "gates" / f"easy-{name}.yaml").write_text(content)
    git = ["git", "-C", str(copy), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "easy"], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXLOOP_PROJECT_ROOT", str(copy))
        get_settings.cache_clear()
        yield get_settings()
    get_settings.cache_clear()


def run_family(name: str, out: Path, **changes: object) -> RunResult:
    arguments = {"task": name, "policy": f"easy-{name}", **FAMILIES[name].arguments, **changes}
    return RunResult.read(
        run("training", out=out, overrides=tuple(f"{k}={json.dumps(v)}" for k, v in arguments.items()))
    )


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_goes_from_speech_to_a_challenger_and_is_held_against_it(
    platform: Settings, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    first = run_family(name, tmp_path / "first", bootstrap=True, because="the first of its family")
    assert set(first.tasks.values()) == {"SUCCEEDED"}, first.error
    assert first.data_verdicts == {"validate": "PASS", "leakage": "PASS", "poison": "PASS"}
    assert (first.verdict, first.version) == ("PASS", 1)
    assert (Path(first.folders["gate"]["out"]) / "card.html").is_file()
    for step in ("train", "evaluate"):
        assert_learnt_from(FAMILIES[name].table, step, first)
    client = MlflowClient(platform.mlflow_url)
    registered = client.get_model_version_by_alias(name, "challenger")
    assert (registered.version, registered.run_id) == ("1", first.run_id)

    client.set_registered_model_alias(name, "champion", "1")
    second = run_family(name, tmp_path / "second")
    assert {"ingest", "features", "train", "export"} <= set(second.reused)
    verdict = json.loads((Path(second.folders["gate"]["out"]) / "verdict.json").read_text())
    assert verdict["champion"]["model_digest"] == first.model_digest
    assert (second.verdict, second.version) == ("CANNOT_TELL", None)  # it is the champion, byte for byte
    assert "byte for byte" in next(one["text"] for one in verdict["reasons"] if one["rule"] == "comparison")

    rerun(str(tmp_path / "second"), "evaluate")
    assert "of golden.json all but challenger_ms, champion_ms" in capsys.readouterr().out


def assert_learnt_from(table: str | None, step: str, result: RunResult) -> None:
    """The step was given the table its family reads, and no other family's work depends on one."""
    record = read_record(Path(result.folders[step]["out"]))
    assert record is not None
    wanted = None if table is None else digest_file(Path(result.folders["features"]["out"]) / table)
    assert record.inputs["features"] == wanted
