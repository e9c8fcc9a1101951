"""Promotion and asking against real MLflow and Triton servers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.services.approver import approve, record_pass, set_approval
from tests.services.pipeline_folders import LABELS, PipelineFolders, run_onnx, write_folders, write_model
from tests.services.servers import running
from voxloop.adapters.mlflow_registry import MlflowRegistry
from voxloop.adapters.triton import TritonServer
from voxloop.errors import InputError, IntegrityError, RefusedError, ServiceUnavailableError, VoxloopError
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.serving_reference import ServingReference
from voxloop.jobs.ask import ask
from voxloop.jobs.deploy import deploy
from voxloop.jobs.reconcile import reconcile
from voxloop.jobs.register import register
from voxloop.jobs.track import track
from voxloop.release.examination import compare_with_evaluation
from voxloop.release.probe import probe, read_golden
from voxloop.release.versions import CHALLENGER, CHAMPION, FALLBACK, MODEL_DIGEST, ModelVersion, serving_name
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


def do_register(
    root: Path, *, approval: str | None = "approved", retrain_id: str = "", **changes: Any
) -> PipelineFolders:
    folders = write_folders(root / "made", **changes)
    task = changes["task"]
    evidence = (folders.weights, folders.model, folders.data, folders.evaluation, folders.verdict)
    track(*evidence, root / "run", task=task, retrain_id=retrain_id)
    register(root / "run", folders.model, folders.evaluation, folders.verdict, root / "version", task=task)
    number = json.loads((root / "version" / "version.json").read_text())["version"]
    if approval is not None:
        record_pass(task, folders)
        approve(task, number, approval)
    return folders


def aliases(settings: Settings, task: str) -> dict[str, int | None]:
    registry = MlflowRegistry(settings)
    found = {alias: registry.find_alias(task, alias) for alias in (CHAMPION, FALLBACK, CHALLENGER)}
    return {alias: version.number if version else None for alias, version in found.items()}


@pytest.fixture
def server(platform: Settings) -> Iterator[TritonServer]:
    with TritonServer(platform) as client:
        yield client


def test_the_first_approved_version_is_served_and_asked(
    platform: Settings, server: TritonServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = do_register(tmp_path, task="first", approval=None)
    assert deploy(task="first") == ""
    with pytest.raises(RefusedError, match=r"not approved \(approval = None, none stands in the ledger\)"):
        deploy(task="first", version=1)
    with pytest.raises(InputError, match="no version 7"):
        deploy(task="first", version=7)
    refused = set_approval("first", 1, "approved")
    assert "the ledger holds no PASS of its evaluation" in refused.text
    record_pass("first", folders)
    refused = set_approval("first", 1, "Approved")
    assert "it is 'approved' or 'rejected', spelled so" in refused.text
    assert deploy(task="first") == ""
    assert set_approval("first", 1, "approved").is_success
    assert set_approval("first", 1, "it swears", key="approval.comment").is_success
    assert set_approval("first", 1, "rejected").is_success
    assert deploy(task="first") == ""
    assert set_approval("first", 1, "approved").is_success
    name = serving_name("first", folders.model_digest)
    assert deploy(task="first") == deploy(task="first") == name
    assert aliases(platform, "first") == {CHAMPION: 1, FALLBACK: None, CHALLENGER: None}
    sound = write_wav(tmp_path / "sound.wav")
    capsys.readouterr()
    ask("first", sound, json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["model_digest"] == folders.model_digest
    assert set(said["probabilities"]) == set(LABELS)
    assert said["emotion"] == max(said["probabilities"], key=said["probabilities"].get)
    ask("first", sound)
    assert folders.model_digest in capsys.readouterr().out
    assert server.read_model(name).digest == folders.model_digest


def test_the_server_answers_what_the_onnx_file_answers(
    platform: Settings, server: TritonServer, tmp_path: Path
) -> None:
    folders = do_register(tmp_path, task="parity", gain=2.0)
    name = deploy(task="parity")
    generator = np.random.default_rng(3)
    waveforms = [generator.uniform(-1, 1, size).astype(np.float32) for size in (1, 500, 16000)]
    for waveform, expected in zip(waveforms, run_onnx(folders.model / "model.onnx", waveforms), strict=True):
        answered = server.answer(name, {"waveform": waveform, "num_samples": np.array(len(waveform))})
        np.testing.assert_allclose(answered["probabilities"], expected, atol=1e-6)
    padded = np.zeros((3, 16000), np.float32)
    for row, waveform in zip(padded, waveforms, strict=True):
        row[: len(waveform)] = waveform
    batch = server.infer(server.read_model(name), {"waveform": padded, "num_samples": np.array([1, 500, 16000])})
    np.testing.assert_allclose(batch["probabilities"], run_onnx(folders.model / "model.onnx", waveforms), atol=1e-5)


@pytest.mark.parametrize(
    ("waveform", "length", "message"),
    [
        (np.array([0.1, np.nan], np.float32), 2, "NaN"),
        (np.zeros(4, np.float32), 5, "must lie in 1..4"),
        (np.zeros(4, np.float32), 0, "must lie in 1..4"),
        (np.zeros(1_920_001, np.float32), 1, "at most 1920000"),
    ],
)
def test_a_senseless_request_is_refused(
    platform: Settings, server: TritonServer, tmp_path: Path, waveform: Any, length: int, message: str
) -> None:
    write_model(tmp_path / "model", task="senseless", gain=1.0)
    server.stage("senseless-0", tmp_path / "model", digest_tree(tmp_path / "model"))
    if not server.is_ready("senseless-0"):
        server.load("senseless-0")
    with pytest.raises(InputError, match=message):
        server.answer("senseless-0", {"waveform": waveform, "num_samples": np.array(length)})


@pytest.mark.parametrize("task", ["asr", "emotion", "personality"])
def test_every_family_is_staged_probed_and_asked(
    platform: Settings,
    server: TritonServer,
    tmp_path: Path,
    task: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    exports: Callable[[str], Path],
) -> None:
    """What Triton answers, decoded, is what evaluation gets of the same graph."""
    model = exports(task)
    digest = digest_tree(model)
    name = serving_name(task, digest)
    server.stage(name, model, digest)
    server.load(name)
    assert probe(name, read_golden(model), lambda request: server.answer(name, request)) < 1e-4
    exported = ExportedModel(model, threads=1, task=task)
    served = server.read_model(name)
    for request in exported.task.golden_inputs(exported.encoding, (0.3, 1.7)):
        (expected,) = exported.answer([request], batch=1)
        assert said_alike(served.decode(server.answer(name, request)), expected)
    found = compare_with_evaluation(name, ServingReference(model), server.open(name))
    assert found < 1e-4, "of every kind of sound, 0.1 s to 60 s"
    assert (server.read_memory(name) or 0) > 2**24
    champion = ModelVersion(task, 1, "run", {MODEL_DIGEST: digest})  # a route of other tests may be in the ledger
    monkeypatch.setattr("voxloop.release.champion.find_champion", lambda *_: champion)
    words = {"text": "I love parties!", "language": "en"} if task == "personality" else {}
    capsys.readouterr()
    ask(task, write_wav(tmp_path / "sound.wav"), json=True, **words)
    said = json.loads(capsys.readouterr().out)
    assert said["model_digest"] == digest
    assert set(said) >= {"asr": {"text", "confidence"}, "emotion": {"emotion"}, "personality": {"traits"}}[task]
    if task == "personality":
        with pytest.raises(InputError, match="asked about nothing it knows"):
            ask(task, text="żadnych znanych słów", language="pl")
        with pytest.raises(InputError, match="cannot take this request"):
            server.answer(name, {"features": np.zeros(2, np.float32), "words": np.array([10**9])})
        with pytest.raises(InputError, match="has no words"):
            server.answer(name, {"features": np.zeros(2, np.float32)})
    server.unload(name)
    server.remove(name)


def said_alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(said_alike(one[key], other[key]) for key in one)
    return one == pytest.approx(other, abs=1e-4) if isinstance(one, float) else one == other


def test_the_server_reads_what_is_said_of_its_own_backend_and_lacks_that_alone(
    platform: Settings, tmp_path: Path
) -> None:
    shutil.copytree(platform.project_root / "serving", tmp_path / "project" / "serving")
    (tmp_path / "project" / "configs").mkdir()
    (tmp_path / "project" / "configs" / "serving.yaml").write_text(
        "{backend: onnxruntime, max_batch_size: 8, threads: {intra: 1, inter: 1}, instances: [{kind: cpu, count: 2}], "
        "dynamic_batching: {preferred: [4, 8], queue_delay_us: 2000}}"
    )
    write_model(tmp_path / "model", task="emotion", gain=1.0)
    with TritonServer(platform.model_copy(update={"project_root": tmp_path / "project"})) as server:
        server.stage("backend-0", tmp_path / "model", digest_tree(tmp_path / "model"))
        with pytest.raises(VoxloopError, match="unable to find backend library for backend 'onnxruntime'"):
            server.load("backend-0")
        server.remove("backend-0")


def test_the_old_champion_stays_as_fallback_and_older_ones_go_once_their_requests_are_answered(
    platform: Settings, server: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, champion = [], None
    for number, gain in enumerate((1.0, 2.0, 3.0), start=1):
        folders = do_register(tmp_path / str(number), task="swap", gain=gain, champion=champion)
        champion = folders.model_digest
        names.append(deploy(task="swap"))
        assert server.is_ready(names[-1])
    assert aliases(platform, "swap") == {CHAMPION: 3, FALLBACK: 2, CHALLENGER: None}
    assert server.staged("swap") == sorted(names), "all three answered within the last two minutes"
    assert all(server.is_ready(name) for name in names)
    monkeypatch.setattr("voxloop.release.mirror.LEAVING", timedelta(0))
    assert reconcile(task="swap") == 0
    assert server.is_ready(names[1])
    assert server.staged("swap") == sorted(names[1:])
    assert not server.is_ready(names[0])


def test_a_verdict_against_an_older_champion_is_void(platform: Settings, tmp_path: Path) -> None:
    do_register(tmp_path / "1", task="stale")
    deploy(task="stale")
    late = do_register(tmp_path / "2", task="stale", gain=2.0, champion="0" * 64, approval=None)
    record_pass("stale", late)
    refused = set_approval("stale", 2, "approved")
    assert not refused.is_success
    assert "it was judged against 000000000000, and the champion is" in refused.text
    deploy(task="stale")
    assert aliases(platform, "stale")[CHAMPION] == 1
    with pytest.raises(RefusedError, match="is not approved"):
        deploy(task="stale", version=2)


def test_a_probe_that_disagrees_leaves_the_old_champion(
    platform: Settings, server: TritonServer, tmp_path: Path
) -> None:
    good = do_register(tmp_path / "1", task="probed")
    name = deploy(task="probed")
    bad = do_register(tmp_path / "2", task="probed", gain=2.0, champion=good.model_digest, golden_shift=1e-3)
    with pytest.raises(IntegrityError, match="golden request 0"):
        deploy(task="probed")
    assert aliases(platform, "probed") == {CHAMPION: 1, FALLBACK: None, CHALLENGER: 2}
    assert server.is_ready(name)
    assert server.staged("probed") == [name]
    assert serving_name("probed", bad.model_digest) not in ready(server)


def test_a_model_that_is_too_slow_leaves_the_old_champion(
    platform: Settings, server: TritonServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = do_register(tmp_path / "1", task="lagging")
    name = deploy(task="lagging")
    told = re.search(r"p95 of a request ([\d.]+) ms; memory at most (\d+) MiB", capsys.readouterr().out)
    assert told is not None
    assert float(told[1]) < 1000
    assert 20 < int(told[2]) < 500, "a Python stub, NumPy and ONNX Runtime"
    slow = do_register(tmp_path / "2", task="lagging", gain=2.0, champion=good.model_digest, work=800)
    with pytest.raises(VoxloopError, match=r"too slow: the p95 of 3 s of sound is [\d.]+ ms, the champion [\d.]+ ms"):
        deploy(task="lagging")
    assert aliases(platform, "lagging") == {CHAMPION: 1, FALLBACK: None, CHALLENGER: 2}
    assert server.is_ready(name)
    assert server.staged("lagging") == [name]
    assert serving_name("lagging", slow.model_digest) not in ready(server)
    assert deploy(task="lagging") == name, "it is not tried again by itself"


def ready(server: TritonServer) -> set[str]:
    return {name for name, state in server.index().items() if state == "READY"}


def test_changed_bytes_in_the_registry_are_not_served(platform: Settings, server: TritonServer, tmp_path: Path) -> None:
    do_register(tmp_path, task="changed")
    run_id = json.loads((tmp_path / "run" / "run.json").read_text())["run_id"]
    (kept,) = (platform.home / "mlflow" / "artifacts").glob(f"*/{run_id}/artifacts/model/model.onnx")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(bytes(content))
    with pytest.raises(IntegrityError, match="MLflow holds"):
        deploy(task="changed")
    assert aliases(platform, "changed")[CHAMPION] is None
    assert server.staged("changed") == []


def test_changed_bytes_in_the_repository_are_not_loaded(
    platform: Settings, server: TritonServer, tmp_path: Path
) -> None:
    write_model(tmp_path / "model", task="bytes", gain=1.0)
    assert server.stage("bytes-0", tmp_path / "model", "a" * 64) is True
    assert server.stage("bytes-0", tmp_path / "model", "a" * 64) is False
    staged = platform.model_repository / "bytes-0" / "1" / "model.onnx"
    staged.write_bytes(staged.read_bytes() + b"\0")
    with pytest.raises(IntegrityError, match=r"bytes-0 is not as it was signed: .*1/model\.onnx"):
        server.load("bytes-0")
    with pytest.raises(InferenceServerException, match=r"sha256 of model\.onnx"):  # nor by who does not ask us
        server.client.load_model("bytes-0", headers=server.control_headers)
    assert server.stage("bytes-0", tmp_path / "model", "a" * 64) is True
    server.load("bytes-0")
    assert server.is_ready("bytes-0")
    server.unload("bytes-0")
    server.remove("bytes-0")
    assert "bytes-0" not in ready(server)


def test_a_text_file_is_no_sound(platform: Settings, tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("not a sound")
    for file, message in ((text, "text.wav is unusable"), (tmp_path / "none.wav", "does not exist")):
        with pytest.raises(InputError, match=message) as refused:
            ask("emotion", file)
        assert "\n" not in str(refused.value)
        assert refused.value.exit_code == 2


@dataclass(frozen=True)
class OwnTriton:
    """A server of a test's own, which it may kill and start again."""

    settings: Settings
    log: Path

    def running(self) -> AbstractContextManager[subprocess.Popen[bytes]]:
        argv = [sys.executable, "-P", "-m", "voxloop.adapters.triton_start"]
        return running(argv, f"{self.settings.triton_url}/v2/health/ready", self.log)

    @property
    def refused(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if " is not loaded: " in line]


@pytest.fixture
def own(shared_mlflow: Settings, registry_home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnTriton:
    if not shared_mlflow.triton_python.exists():
        pytest.skip("no Triton environment")
    from tests.conftest import free_ports
    from voxloop.settings import get_settings

    monkeypatch.setenv("VOXLOOP_HOME", str(tmp_path / "home"))
    for name, port in zip(("HTTP", "GRPC", "METRICS"), free_ports(3), strict=True):
        monkeypatch.setenv(f"VOXLOOP_PORTS__TRITON_{name}", str(port))
    monkeypatch.setenv("VOXLOOP_TRITON_VENV", str(shared_mlflow.triton_python.parents[1]))
    get_settings.cache_clear()
    return OwnTriton(get_settings(), tmp_path / "triton.log")


def test_a_killed_triton_is_said_and_comes_back_with_its_models(own: OwnTriton, tmp_path: Path) -> None:
    """Started again over the same repository, with a broken model in it."""
    sound = write_wav(tmp_path / "sound.wav")
    with own.running() as process:
        do_register(tmp_path, task="killed")
        name = deploy(task="killed")
        process.kill()
        process.wait()
        with pytest.raises(ServiceUnavailableError, match=r"Triton does not answer at http.*voxloop up") as silent:
            ask("killed", sound)
        assert silent.value.exit_code == 75
        assert "\n" not in str(silent.value)
        with pytest.raises(ServiceUnavailableError, match="Triton does not answer"):
            deploy(task="killed")
    broken = own.settings.model_repository / "broken-0"
    shutil.copytree(own.settings.model_repository / name, broken)
    (broken / "1" / "model.onnx").write_bytes(b"not a model")
    with own.running() as process, TritonServer(own.settings) as server:
        assert server.is_ready(name)
        assert not server.is_ready("broken-0")
        ask("killed", sound)
        shutil.rmtree(own.settings.model_repository / name)
        server.unload(name)
        with pytest.raises(ServiceUnavailableError, match="does not serve"):
            ask("killed", sound)
        assert deploy(task="killed") == name
        ask("killed", sound)
        assert process.poll() is None
    assert stubs_of(own.settings) == []


def test_what_was_changed_while_nobody_served_is_not_loaded(own: OwnTriton, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "sound.wav")
    with own.running():
        do_register(tmp_path, task="tampered")
        name = deploy(task="tampered")
        ask("tampered", sound)
    program = own.settings.model_repository / name / "1" / "model.py"
    program.write_text(program.read_text() + "# changed\n")
    with own.running(), TritonServer(own.settings) as server:
        assert not server.is_ready(name)
        (refused,) = own.refused
        assert refused.startswith(
            f"{name} is not loaded: {name} is not as it was signed: Hash mismatch for '1/model.py'"
        )
        assert deploy(task="tampered") == name
        ask("tampered", sound)
    with own.running(), TritonServer(own.settings) as server:
        assert server.is_ready(name)
        assert len(own.refused) == 1


def stubs_of(settings: Settings) -> list[str]:
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if str(settings.home) in line]


def write_wav(path: Path) -> Path:
    samples = (np.sin(np.arange(16000) / 20) * 12000).astype("<i2")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(samples.tobytes())
    return path
