"""Stock schemathesis reads the gateway's own description, and asks what it allows and what it does not."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import set_home
from tests.services.gateway_platform import GatewayPlatform
from voxloop.settings import find_project_root, get_settings
from voxloop.tasks import FAMILIES

pytestmark = pytest.mark.slow  # a Triton and a gateway of its own, asked some thousand times


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, exports: Callable[[str], Path]) -> Iterator[GatewayPlatform]:
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("no schemathesis: `make setup` installs it")
    if not (find_project_root() / ".venv-triton" / "bin" / "python").exists():
        pytest.skip("no Triton environment")
    with pytest.MonkeyPatch.context() as patch:
        platform = GatewayPlatform(set_home(patch, tmp_path_factory.mktemp("described")))
        with platform.triton():
            for task in FAMILIES:
                platform.stage(task, task, exports(task))
                platform.route(task, task)
            with platform.gateway():
                yield platform
    get_settings.cache_clear()


def test_what_the_description_leads_to_is_answered_as_it_is_described(
    served: GatewayPlatform, tmp_path: Path, fault_seed: int
) -> None:
    """No answer is 5xx, and each has a status, a type and a form that the description names.

    One check is left out: no schema can say which bytes are a sound, so what fits one is refused all the same (422).
    """
    key, report = served.make_key(*FAMILIES, "analyze", "label", "metrics"), tmp_path / "report.json"
    argv = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.settings.gateway_url}/openapi.json"),
        *("--header", f"Authorization: Bearer {key}", "--seed", str(fault_seed), "--max-examples", "100"),
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance", "--continue-on-failure"),
        *("--report", "json", "--report-json-path", str(report)),
    ]
    env = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    told = json.loads(report.read_text())
    with served.client(key) as client:
        described = client.get("/openapi.json").json()["paths"]
    assert told["complete"]
    assert told["errors"] == []
    assert told["operations"]["tested"] == sum(len(methods) for methods in described.values()) >= 7
    assert told["test_cases"]["generated"] > 300
    assert told["valid_rates"]["POST /v1/personality"]["coverage"]["accepted"], "the models were asked too"
    assert "500" not in {line.partition('status="')[2][:3] for line in read_figures(served)}


def read_figures(served: GatewayPlatform) -> list[str]:
    with served.admin_client(served.make_key("metrics")) as client:
        figures = client.get("/metrics").text.splitlines()
    return [line for line in figures if line.startswith("voxloop_gateway_requests_total")]
