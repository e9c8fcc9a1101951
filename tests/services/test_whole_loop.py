"""The demo, small, with everything real, judged from outside: stock clients, Airflow's own database, the process table.

Nothing of voxloop is imported here: the product is used as its users use it, by its command.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

# Six quiet minutes; on a machine with other work up to three times as long.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
CHECKOUT = Path(__file__).resolve().parents[2]
JUDGE = Path(__file__).with_name("serving_judge.py")
VOXLOOP = Path(sys.executable).with_name("voxloop")
SMALL = [
    "night_one.corpus_overrides=[world.home.speakers=18, world.utterances_per_speaker=12]",
    "night_two.corpus_overrides=[world.home.speakers=18, world.newcomers.speakers=12, world.utterances_per_speaker=12]",
    "task_overrides=[epochs=4]",
    "policy=lenient",
]
LENIENT = """# Small enough for a test: the rules are all asked, the numbers are low.
version: 1
claim: new speakers
minimum_speakers: 2
minimum_utterances: 12
minimum_per_label: 1
measures:
  uar:
    limit: 0.0
    comparison: {kind: non_inferiority, margin: 0.99}
level: 0.8
"""


@dataclass(frozen=True)
class Demo:
    """A demo that has ended and left its platform up."""

    output: str
    code: int
    environment: dict[str, str]
    home: Path

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.environment[f'VOXLOOP_PORTS__{port}']}"

    @property
    def password(self) -> str:
        """What jobs sign in to MLflow with."""
        return (self.home / "mlflow" / "service.password").read_text()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, "VOXLOOP_HOME": str(self.home)}
        return subprocess.run([VOXLOOP, *command], env=environment, capture_output=True, text=True, check=False)


def free_ports(names: list[str]) -> dict[str, str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = [str(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return {f"VOXLOOP_PORTS__{name}": port for name, port in zip(names, ports, strict=True)}


@pytest.fixture(scope="module")
def demo(clean_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    policy = clean_checkout / "configs" / "gates" / "lenient.yaml"
    policy.write_text(LENIENT, encoding="utf-8")
    evaluation = clean_checkout / "configs" / "evaluation" / "emotion.yaml"
    asked = evaluation.read_text(encoding="utf-8")
    assert "utterances: 240" in asked
    evaluation.write_text(asked.replace("utterances: 240", "utterances: 24"), encoding="utf-8")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run([*git, "add", "-A"], cwd=clean_checkout, check=True)
    subprocess.run([*git, "commit", "-qm", "a lenient policy"], cwd=clean_checkout, check=True)
    home = tmp_path_factory.mktemp("loop")
    environment = {
        **os.environ,
        **free_ports(["MLFLOW", "AIRFLOW", "TRITON_HTTP", "TRITON_GRPC", "TRITON_METRICS", "GATEWAY", "GATEWAY_ADMIN"]),
        "VOXLOOP_HOME": str(home),
        "VOXLOOP_PROJECT_ROOT": str(clean_checkout),
        "VOXLOOP_TRITON_VENV": str(CHECKOUT / ".venv-triton"),
    }
    sets = [token for override in SMALL for token in ("--set", override)]
    done = subprocess.run(
        [VOXLOOP, "demo", "--keep", *sets],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1700,
    )
    ended = Demo(done.stdout, done.returncode, environment, home / "demo-world")
    yield ended
    down = ended.run("down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert processes_of(ended.home) == []


def processes_of(home: Path) -> list[str]:
    """Return the command lines of living processes that belong to a state folder."""
    mine = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words = " ".join(process.info["cmdline"] or [])
        belongs = (process.info["environ"] or {}).get("VOXLOOP_HOME") == str(home) or str(home) in words
        if belongs and process.pid != os.getpid():
            mine.append(words)
    return mine


def test_the_demo_ends_well_with_the_challenger_served(demo: Demo) -> None:
    assert demo.code == 0, demo.output[-6000:]
    table = [line.split() for line in demo.output.splitlines() if line.startswith("emotion ")]
    assert [(row[1], row[2].strip(","), row[-1]) for row in table] == [
        ("1", "fallback", "yes"),
        ("2", "champion", "yes"),
    ]
    assert all("PASS" in row for row in table)


def test_triton_gives_what_the_onnx_file_in_mlflow_gives(demo: Demo) -> None:
    key = str(demo.home / "triton" / "inference.key")
    judged = subprocess.run(
        [sys.executable, JUDGE, demo.url("MLFLOW"), demo.url("TRITON_HTTP"), key, "emotion"],
        capture_output=True,
        text=True,
        check=True,
        cwd=demo.home,
        env={**os.environ, "MLFLOW_TRACKING_USERNAME": "service", "MLFLOW_TRACKING_PASSWORD": demo.password},
    )
    found = json.loads(judged.stdout.splitlines()[-1])
    assert found["voxloop_modules"] == []
    assert found["version"] == 2
    assert found["digest_found"] == found["digest_stated"]
    assert found["triton"] == pytest.approx(found["onnx"], abs=1e-5)
    assert sum(found["triton"]) == pytest.approx(1, abs=1e-4)
    assert len(set(found["triton"])) > 1


def test_airflows_own_database_holds_the_runs(demo: Demo) -> None:
    database = sqlite3.connect(f"file:{demo.home / 'airflow' / 'airflow.db'}?mode=ro", uri=True)
    runs = database.execute("select dag_id, run_id, state from dag_run").fetchall()
    tasks = database.execute(
        "select task_id, state from task_instance where run_id = 'demo-night-two' order by task_id"
    ).fetchall()
    database.close()
    assert ("nightly_retraining", "demo-night-two", "success") in runs
    assert any(dag == "deploy_approved" and state == "success" for dag, _, state in runs)
    assert ("run_training", "success") in tasks


def test_the_run_in_mlflow_holds_the_evidence(demo: Demo) -> None:
    def get(path: str) -> dict[str, object]:
        told = base64.b64encode(f"service:{demo.password}".encode()).decode()
        headers = {"Authorization": f"Basic {told}"}
        request = urllib.request.Request(f"{demo.url('MLFLOW')}/api/2.0/mlflow/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    version = get("model-versions/get?name=emotion&version=2")["model_version"]
    run = get(f"runs/get?run_id={version['run_id']}")["run"]  # type: ignore[index]
    params = {item["key"] for item in run["data"]["params"]}  # type: ignore[index]
    metrics = {item["key"] for item in run["data"]["metrics"]}  # type: ignore[index]
    tags = {item["key"] for item in run["data"]["tags"]}  # type: ignore[index]
    assert any("learning_rate" in name for name in params)
    assert {"training/train_loss", "training/dev_loss", "training/dev_uar"} <= metrics
    assert {"voxloop.git_commit", "voxloop.data_digest", "voxloop.model_digest"} <= tags
    for picture in ("confusion.png", "curves.png"):
        found = subprocess.run(
            ["find", demo.home / "mlflow", "-name", picture], capture_output=True, text=True, check=True
        )
        assert found.stdout.strip(), picture


def test_why_the_champion_serves_stands_on_one_page(demo: Demo) -> None:
    page = demo.run("explain", "emotion")
    assert page.returncode == 0, page.stderr
    said = page.stdout
    assert re.match(r"retrain-[0-9a-f]{16}: judged\n  reason     emotion: asked demo-night-two\n", said)
    for what in (
        "data PASS, gate PASS, version 2",
        "registration verdict PASS, version 2",
        "approval     verdict PASS, version 2, by demo-approver",
        "emotion is served by this model now",
    ):
        assert what in said, said


def test_the_reason_of_night_two_given_again_trains_nothing(demo: Demo) -> None:
    again = demo.run("retrain", "--episode", "demo-night-two", "--set", "task=emotion")
    assert again.returncode == 0, again.stderr
    assert "was judged already: data PASS, gate PASS, version 2" in again.stdout
    assert json.loads(again.stdout.splitlines()[-1])["retrain_id"] in demo.run("explain", "emotion").stdout


def test_nothing_listens_beyond_loopback(demo: Demo) -> None:
    open_to_all = []
    for process in psutil.process_iter(["environ", "cmdline"]):
        if (process.info["environ"] or {}).get("VOXLOOP_HOME") != str(demo.home):
            continue
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.ip not in (
                "127.0.0.1",
                "::1",
                "::ffff:127.0.0.1",
            ):
                open_to_all.append((process.info["cmdline"], connection.laddr))
    assert open_to_all == []


def test_with_triton_killed_ask_fails_in_one_clear_line_and_works_again_by_itself(demo: Demo) -> None:
    (question,) = demo.home.glob("ask-*.wav")
    asked = demo.run("ask", "emotion", str(question))
    assert asked.returncode == 0, asked.stderr
    supervised = json.loads(demo.run("status", "--json").stdout)
    (triton,) = [row for row in supervised if row["program"] == "triton"]
    os.kill(triton["pid"], signal.SIGKILL)
    control = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(demo.home / "run" / "supervisord.conf")]
    subprocess.run(
        [*control, "stop", "voxloop:triton"], check=True, capture_output=True
    )  # or it would be back in a second
    refused = demo.run("ask", "emotion", str(question))
    assert refused.returncode == 75
    assert "Triton" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    subprocess.run([*control, "start", "voxloop:triton"], check=True, capture_output=True)
    end = time.monotonic() + 300
    while (again := demo.run("ask", "emotion", str(question))).returncode != 0 and time.monotonic() < end:
        time.sleep(1)
    assert again.returncode == 0, again.stderr
    assert again.stdout == asked.stdout
