"""All three families approved at one moment, by three people: one wake-up, three deployments, each of its own model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from safetensors.numpy import load_file
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import triton_to_np_dtype

from tests.conftest import running_mlflow, set_home
from tests.services.approver import record_pass
from tests.services.gateway_platform import GatewayPlatform, body
from tests.services.pipeline_folders import PipelineFolders, make_repository
from tests.services.test_gateway import SOUND, WAV
from tests.services.test_triton import do_register
from tests.unit.runners.own_airflow import ApprovalTrigger, LedgerWatch
from voxloop.adapters.triton_keys import KEY_HEADER, read_inference_key
from voxloop.approval_app.accounts import AccountBook
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import APPROVAL, PROMOTION, ROUTE, VOID, Entry
from voxloop.release.roles import Role
from voxloop.runners.waiting_approvals import FAMILIES, deploy_waiting
from voxloop.settings import child_environment, find_project_root, get_settings, now

# Three servers of its own, three exports, three promotions: two minutes of processor.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

APPROVER = """
import sys
from mlflow import MlflowClient

client = MlflowClient(tracking_uri=sys.argv[1], registry_uri=sys.argv[1])
client.get_model_version(sys.argv[2], "1")
print("ready", flush=True)
sys.stdin.readline()
client.set_model_version_tag(sys.argv[2], "1", "approval", "approved")
"""
"""MLflow's own client, signed in as its environment says; all it imports and its first connection are behind it when it
is ready, so that what is left for the word is the one request."""


@dataclass(frozen=True)
class Released:
    """A platform with a version of each family that passed its gate and waits for a person."""

    platform: GatewayPlatform
    folders: dict[str, PipelineFolders]

    @property
    def entries(self) -> list[Entry]:
        return open_ledger(self.platform.settings).verify()

    def name(self, family: str) -> str:
        return f"{family}-{self.folders[family].model_digest[:12]}"


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exports: Callable[[str], Path]) -> Iterator[Released]:
    venv = find_project_root() / ".venv-triton"
    if not (venv / "bin" / "python").exists():
        pytest.skip("no Triton environment")
    monkeypatch.setenv("VOXLOOP_TRITON_VENV", str(venv))
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(make_repository(tmp_path / "checkout", find_project_root())))
    platform = GatewayPlatform(set_home(monkeypatch, tmp_path / "home"))
    with running_mlflow(platform.settings), platform.triton(), platform.gateway():
        folders = {}
        for family in FAMILIES:
            made = do_register(tmp_path / family, task=family, export=exports(family), approval=None)
            record_pass(family, made)
            folders[family] = made
        yield Released(platform, folders)
    monkeypatch.undo()
    get_settings.cache_clear()


def approve_at_once(released: Released) -> None:
    """Have a person for each family approve it, all at a word."""
    settings = released.platform.settings
    book, people = AccountBook(settings.mlflow_accounts), []
    for family in FAMILIES:
        name = f"of-{family}"
        password = book.add(name, Role.APPROVER, (f"{name}@example.org",), now())
        person = subprocess.Popen(
            [sys.executable, "-c", APPROVER, settings.mlflow_url, family],
            env=child_environment({"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        people.append(person)
    try:
        assert [person.stdout.readline() for person in people if person.stdout] == ["ready\n"] * len(FAMILIES)
        for person in people:
            assert person.stdin is not None
            person.stdin.write("now\n")
            person.stdin.flush()
        ended = [(*person.communicate(timeout=300), person.returncode) for person in people]
    finally:
        for person in people:
            person.kill()
    assert [code for _, _, code in ended] == [0] * len(FAMILIES), ended


def wake_once() -> list[tuple[str, int]]:
    """Return whom the trigger's first event names, and deploy as the run that it starts does: a task for each family."""

    async def hear() -> dict[str, list[list[object]]]:
        async for event in ApprovalTrigger(poll_seconds=0.1).run():
            return dict(event.payload)
        raise AssertionError("a trigger listens for ever")

    waiting = asyncio.run(asyncio.wait_for(hear(), 300))["waiting"]
    with ThreadPoolExecutor(len(FAMILIES)) as tasks:
        list(tasks.map(deploy_waiting, FAMILIES))
    return [(str(family), int(str(version))) for family, version, _ in waiting]


def test_all_three_families_approved_at_once_are_three_deployments(
    released: Released, capfd: pytest.CaptureFixture[str]
) -> None:
    assert LedgerWatch().find_waiting() == ()
    approve_at_once(released)
    rows = [entry for entry in released.entries if entry.kind == APPROVAL]
    assert sorted((row.task, row.content["by"]) for row in rows) == [(one, f"of-{one}") for one in sorted(FAMILIES)]
    assert not any(answers(released, family) for family in FAMILIES), "an approval alone serves nothing"

    assert sorted(wake_once()) == [(family, 1) for family in sorted(FAMILIES)], "one event tells of all three"

    assert LedgerWatch().find_waiting() == (), "nothing wakes a second run"
    told = capfd.readouterr().out
    assert all(told.count(f"{family} version 1 is the champion, served as") == 1 for family in FAMILIES), told
    done = [entry for entry in released.entries if entry.kind == PROMOTION and entry.content["step"] == "done"]
    assert sorted((row.task, row.subject) for row in done) == [
        (family, released.folders[family].model_digest) for family in sorted(FAMILIES)
    ]
    kinds = [entry.kind for entry in released.entries]
    assert kinds.count(PROMOTION) == 2 * len(FAMILIES), "claimed and done"
    assert kinds.count(ROUTE) == len(FAMILIES)
    assert VOID not in kinds, "none was overtaken, written back or given up"
    for family in FAMILIES:
        require_served(released, family)


def require_served(released: Released, family: str) -> None:
    """Fail unless stock clients of MLflow and Triton, and a caller of the gateway, all meet the approved model."""
    settings, digest = released.platform.settings, released.folders[family].model_digest
    registry = MlflowClient(tracking_uri=settings.mlflow_url, registry_uri=settings.mlflow_url)
    champion = registry.get_model_version_by_alias(family, "champion")
    assert (int(champion.version), champion.tags["voxloop.model_digest"]) == (1, digest)
    assert answers(released, family)
    released.platform.digests[family] = digest
    with released.platform.client(released.platform.make_key()) as caller:
        if family == "personality":
            said = caller.post(f"/v1/{family}", json={"text": "I love parties!", "language": "en"})
        else:
            said = caller.post(f"/v1/{family}", content=SOUND, headers=WAV)
        assert said.status_code == 200, said.text
        assert body(said)["model_digest"] == digest


def answers(released: Released, family: str) -> bool:
    """Return whether Triton serves a family's model; it must answer as the export of that family did."""
    model, name = released.folders[family].model, released.name(family)
    request = json.loads((model / "model.json").read_text())["request"]
    golden = load_file(model / "golden.safetensors")
    key = {KEY_HEADER: read_inference_key(released.platform.settings)}
    with InferenceServerClient(released.platform.settings.triton_url.removeprefix("http://")) as triton:
        if not triton.is_model_ready(name):
            return False
        inputs = []
        for told in triton.get_model_metadata(name, headers=key)["inputs"]:
            array = golden[f"{told['name']}_0"].astype(triton_to_np_dtype(told["datatype"]))
            inputs.append(InferInput(told["name"], [1, *(array.shape or (1,))], told["datatype"]))
            inputs[-1].set_data_from_numpy(array.reshape(inputs[-1].shape()))
        said = triton.infer(name, inputs, headers=key)
    for output in request["outputs"]:
        expected = golden[f"{output['name']}_0"]
        found = said.as_numpy(output["name"])
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-4)
    return True
