"""A retraining built again: the same bytes, other ones, or something it was made of that is gone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import set_home
from tests.unit.runners.recorded_run import ARGUMENTS, finish
from voxloop.cli import run_command
from voxloop.data.tombstones import read_tombstones, write_tombstones
from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.jobs.features import features
from voxloop.jobs.ingest import ingest
from voxloop.jobs.train import train
from voxloop.ledger.book import open_ledger
from voxloop.monitoring.retraining import ASKED, Reason
from voxloop.monitoring.retraining_acts import begin_attempt, claim, end_attempt
from voxloop.runners import retrain as retraining
from voxloop.runners.compile import compile_pipeline
from voxloop.runners.replay import REPLAY_NAME, replay
from voxloop.runners.result import RunResult
from voxloop.settings import Settings, get_settings, now

CORPUS = (
    "world.home.speakers=4",
    "world.utterances_per_speaker=7",
    "split.table={home-0000: train, home-0001: train, home-0002: dev, home-0003: test}",
)
slow = pytest.mark.slow  # the prosody of its features is compiled first: a minute and more on busy cores
REASON = Reason("emotion", ASKED, "by hand")
ID = REASON.retrain_id


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The home of a retraining that has come as far as `train` and is said to be judged; nobody writes here again."""
    with pytest.MonkeyPatch.context() as patch:
        settings = set_home(patch, tmp_path_factory.mktemp("made") / "home")
        patch.setattr(retraining, "_run_pipeline", run_three_steps)
        overrides = [f"{key}={json.dumps(value)}" for key, value in (ARGUMENTS | {"corpus_overrides": CORPUS}).items()]
        retraining.retrain(episode="by hand", overrides=tuple(overrides))
        yield settings
    get_settings.cache_clear()


def run_three_steps(arguments: dict[str, object], folder: Path) -> RunResult:
    """Stand in for kfp: the real jobs, up to the weights."""
    steps = folder / "steps" / "training-attempt"
    inner = steps / "condition-1"
    dataset = ingest(out=steps / "ingest" / "out", corpus="world", overrides=CORPUS)
    finish(steps / "ingest", dataset)
    tables = features(dataset, inner / "features" / "out")
    finish(inner / "features", tables)
    changes = tuple(str(one) for one in ARGUMENTS["overrides"])  # type: ignore[attr-defined]
    weights = train(dataset, inner / "train" / "out", config="smoke", features=tables, overrides=changes)
    finish(inner / "train", weights)
    compile_pipeline("training", folder / "pipeline.yaml")
    result = RunResult("training", "local", dict(arguments), {}, verdict="PASS", data_verdict="PASS")
    result.write(folder)
    return result


@pytest.fixture
def judged(made: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The same home, as it was made, for one test."""
    kept = made.home.with_name("kept")
    if not kept.exists():
        shutil.copytree(made.home, kept, symlinks=True)
    monkeypatch.setenv("VOXLOOP_HOME", str(made.home))
    get_settings.cache_clear()
    yield made
    unlock(made.home)
    shutil.rmtree(made.home)
    shutil.copytree(kept, made.home, symlinks=True)


def unlock(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)


def read_page(settings: Settings) -> dict[str, str]:
    """Return the verdict of each thing found, and of all."""
    page = json.loads((settings.home / "runs" / ID / "reruns" / "replay-1" / REPLAY_NAME).read_text())
    return {found["what"]: found["verdict"] for found in page["findings"]} | {"all": page["verdict"]}


def step_folder(settings: Settings, step: str) -> Path:
    (folder,) = (settings.home / "runs" / ID / "steps").glob(f"**/{step}/out")
    return folder


@slow
def test_built_again_it_is_the_same_byte_for_byte(judged: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    place = replay(ID)
    said = capsys.readouterr().out
    assert read_page(judged) == {"ingest": "PASS", "features": "PASS", "train": "PASS", "all": "PASS"}
    assert "step train: computed" in said
    assert "reused" not in said
    assert f"PASS: {ID} built again is the same, 3 steps" in said
    again, before = place / "train" / "weights.safetensors", step_folder(judged, "train") / "weights.safetensors"
    assert again.read_bytes() == before.read_bytes()


@slow
def test_another_model_is_a_failure_and_exit_code_4(
    judged: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from voxloop.training import fit

    monkeypatch.setattr(fit, "draw_curves", lambda *parts: parts[-1].write_bytes(b"another picture"))
    assert run_command(["replay", ID]) == IntegrityError.exit_code
    assert "train: 1 of" in (said := capsys.readouterr().err)
    assert "curves.png" in said
    assert read_page(judged) == {"ingest": "PASS", "features": "PASS", "train": "FAIL", "all": "FAIL"}


def erase_of_the_run(settings: Settings, speaker: str, *, from_dataset: bool) -> str:
    """Leave what an erasure leaves as far as a replay sees it, and return the tombstone."""
    tombstones = read_tombstones(settings.tombstones_file).with_speaker(speaker)
    write_tombstones(settings.tombstones_file, tombstones)
    if from_dataset:
        (shard, *_) = step_folder(settings, "ingest").glob("**/*.parquet")
        unlock(shard.parent)
        shard.write_bytes(b"without them")
    return tombstones.hash_of(speaker)


@pytest.mark.parametrize("speaker", ["home-0001", "home-0002", "home-0003"])
@slow
def test_an_erased_voice_leaves_it_open_and_its_tombstone_is_named(
    judged: Settings, speaker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tombstone = erase_of_the_run(judged, speaker, from_dataset=True)
    assert run_command(["replay", ID]) == RefusedError.exit_code
    said = capsys.readouterr()
    assert (
        f"a voice that was in it was erased; it{'s tombstone is' if speaker != 'home-0003' else ' is one of the tombstones'} {tombstone[:12]}"
        in said.err
    )
    assert speaker not in said.err + said.out
    assert read_page(judged) == {"data": "CANNOT_TELL", "all": "CANNOT_TELL"}


@slow
def test_a_stranger_who_was_erased_changes_nothing(judged: Settings) -> None:
    erase_of_the_run(judged, "somebody of another corpus", from_dataset=False)
    replay(ID)
    assert read_page(judged)["all"] == "PASS"


def spoil_record(settings: Settings, _patch: pytest.MonkeyPatch) -> None:
    (path,) = step_folder(settings, "ingest").glob("_record.json")
    path.chmod(0o644)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"outputs": {}}))


def sweep(settings: Settings, _patch: pytest.MonkeyPatch) -> None:
    unlock(settings.home / "runs" / ID)
    (settings.home / "runs" / ID / "result.json").unlink()


def change_code(_settings: Settings, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retraining, "digest_recipe", lambda _settings: "e" * 64)


def change_data(_settings: Settings, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retraining, "digest_data", lambda _arguments: "d" * 64)


@pytest.mark.parametrize(
    ("spoil", "what", "words"),
    [
        (spoil_record, "ingest", "has no record that this runner sealed"),
        (change_code, "code", f"code and configuration are {'e' * 12}"),
        (change_data, "data", f"the corpus world is {'d' * 12}, "),
    ],
)
@slow
def test_what_is_gone_leaves_it_open(
    judged: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Settings, pytest.MonkeyPatch], None],
    what: str,
    words: str,
) -> None:
    spoil(judged, monkeypatch)
    assert run_command(["replay", ID]) == RefusedError.exit_code
    assert words in capsys.readouterr().err
    assert read_page(judged)[what] == "CANNOT_TELL"
    assert read_page(judged)["all"] == "CANNOT_TELL"


@slow
def test_a_run_that_was_swept_leaves_it_open(judged: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(judged, monkeypatch)
    with pytest.raises(RefusedError, match=r"CANNOT_TELL: run: .* is not there: it was swept"):
        replay(ID, tmp_path / "out")


@slow
def test_steps_that_left_nothing_prove_nothing(judged: Settings, tmp_path: Path) -> None:
    unlock(judged.home / "runs" / ID)
    shutil.rmtree(judged.home / "runs" / ID / "steps")
    with pytest.raises(RefusedError, match="CANNOT_TELL: no step of it came to its end"):
        replay(ID, tmp_path / "out")


def test_what_was_not_judged_is_not_built_again(settings: Settings) -> None:
    ledger = open_ledger(settings)
    claim(ledger, REASON, bound={"arguments": {}, "data": None}, because="a try", at=now())
    with pytest.raises(InputError, match=f"{ID} is claimed"):
        replay(ID)
    end_attempt(ledger, begin_attempt(ledger, ID, code="c", at=now()), {"error": "no disk"}, at=now())
    with pytest.raises(InputError, match=f"{ID} is failed: failed: no disk"):
        replay(ID)
    with pytest.raises(InputError, match="no retraining"):
        replay("retrain-0000000000000000")
