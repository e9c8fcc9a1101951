"""The prediction log of a real gateway: what was answered is there, whatever ends it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
import pytest
import soundfile

from tests.conftest import set_home
from tests.services.gateway_platform import GatewayPlatform, body, wait_for
from tests.services.pipeline_folders import write_model
from tests.services.test_gateway import SOUND, WAV
from voxloop.settings import find_project_root, get_settings
from voxloop.speech.waveform import decode_flac

pytestmark = pytest.mark.slow  # a Triton and a gateway of its own

QUICK = ("--set", "predictions.batch_seconds=0.4", "--set", "predictions.batch_rows=50")
CLIENTS = 4


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, exports: Callable[[str], Path]) -> Iterator[GatewayPlatform]:
    """A Triton with two models; each test has a gateway of its own."""
    with pytest.MonkeyPatch.context() as patch:
        if not (find_project_root() / ".venv-triton" / "bin" / "python").exists():
            pytest.skip("no Triton environment")
        settings = set_home(patch, tmp_path_factory.mktemp("predictions"))
        platform = GatewayPlatform(settings)
        with platform.triton():
            for task in ("emotion", "personality"):
                platform.stage(task, task, exports(task))
                platform.route(task, task)
            write_model(other := tmp_path_factory.mktemp("models") / "other", task="emotion", gain=3.0)
            platform.stage("other", "emotion", other)
            yield platform
    get_settings.cache_clear()


@pytest.fixture(autouse=True)
def fresh(served: GatewayPlatform) -> Iterator[None]:
    """Put the log of the test before aside."""
    yield
    if served.settings.predictions.exists():
        served.settings.predictions.rename(served.settings.home / f"log-of-a-test-{time.monotonic_ns()}")


def read_rows(served: GatewayPlatform) -> list[dict[str, Any]]:
    """Return all rows, as another process reads them."""
    argv = [sys.executable, str(Path(__file__).with_name("parquet_judge.py")), str(served.settings.predictions)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(client: httpx.Client, family: str = "emotion", **headers: str) -> httpx.Response:
    return client.post(f"/v1/{family}", content=SOUND, headers={**WAV, **headers})


def read_figure(served: GatewayPlatform, name: str) -> float:
    with served.admin_client(served.make_key("metrics")) as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"voxloop_gateway_{name}"))


class Load:
    """Clients that ask without a pause until the gateway is gone, and keep what was answered."""

    def __init__(self, served: GatewayPlatform) -> None:
        self.answered: dict[str, str] = {}
        self._served, self._key = served, served.make_key()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with self._served.client(self._key) as client:
            while True:
                try:
                    answer = ask(client)
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    said = answer.json()
                    self.answered[said["request_id"]] = said["answer"]["emotion"]


def test_on_sigterm_under_load_every_answer_is_a_row(served: GatewayPlatform) -> None:
    for _ in range(2):
        with served.gateway() as process, Load(served) as load:  # a batch takes 10 s here: nothing is written before
            wait_for(lambda load=load: len(load.answered) >= 200)  # type: ignore[misc]
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)
        rows = read_rows(served)
        answered = {row["request_id"]: row["label"] for row in rows if row["status"] == 200}
        assert load.answered.items() <= answered.items()
        served.settings.predictions.rename(served.settings.home / f"log-{time.monotonic_ns()}")
        assert answered == load.answered
        assert all((row["snr_db"] is not None) == row["is_measured"] and row["audio"] is None for row in rows)
        print(f"{sum(row['is_measured'] for row in rows)} of {len(rows)} rows were measured")
        assert {row["model_digest"] for row in rows} == {served.digests["emotion"]}
        assert all(0 < row["model_ms"] <= row["latency_ms"] for row in rows)


def test_on_sigkill_under_load_the_last_batch_is_lost_and_counted(served: GatewayPlatform) -> None:
    with served.gateway(*QUICK) as process, Load(served) as load:
        wait_for(lambda: len(load.answered) >= 150 and len(read_rows(served)) >= 50)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
    written = {row["request_id"] for row in read_rows(served)}
    missing = len(load.answered.keys() - written)
    assert written
    with served.gateway(*QUICK), served.client(served.make_key()) as client:
        lost = read_figure(served, 'predictions_lost_total{why="killed"}')
        warnings = client.get("/readyz").json()["warnings"]
        assert ask(client).status_code == 200
    print(f"killed: {len(load.answered)} answered, {len(written)} written, {lost:g} counted as lost")
    # Counted are also those whose answer had not reached the client yet: one for each client at most.
    assert missing <= lost <= missing + CLIENTS
    assert lost <= 4 * 50, "two batches, one of them being measured, and what comes while a file is written"
    assert warnings == ([f"{lost:g} predictions were not logged: {lost:g} killed"] if lost else [])


def test_with_no_place_to_write_requests_are_answered_and_the_loss_is_said(served: GatewayPlatform) -> None:
    served.settings.predictions.write_text("in the way")
    tight = ("--set", "predictions.queue_rows=5")
    with served.gateway(*QUICK, *tight), served.client(served.make_key()) as client:
        assert {ask(client).status_code for _ in range(12)} == {200}
        ready = client.get("/readyz")
        assert ready.status_code == 200
        said = " ".join(ready.json()["warnings"])
        assert "File exists" in said
        assert "7 predictions were not logged: 7 queue full" in said
        assert read_figure(served, "predictions_lost_total") == 7
        served.settings.predictions.unlink()
        wait_for(lambda: len(read_rows(served)) == 5)
        assert client.get("/readyz").json()["warnings"] == ["7 predictions were not logged: 7 queue full"]
        assert read_figure(served, "predictions_written_total") == 5


def test_speakers_have_another_name_and_sound_is_kept_with_consent_alone(served: GatewayPlatform) -> None:
    anna, jan = "anna.kowalska@clinic", "jan-żółty"
    form: dict[str, Any] = {"files": {"audio": ("anna.wav", SOUND)}}
    with (
        served.gateway(*QUICK),
        served.client(served.make_key()) as client,
        served.client(served.make_key(tenant="another")) as other,
    ):
        answers = [
            ask(client, **{"X-Speaker-ID": anna}),
            client.post("/v1/emotion", **form, data={"speaker_id": anna, "consent": "audio"}),
            client.post("/v1/emotion", **form, data={"speaker_id": jan}),
            ask(other, **{"X-Speaker-ID": anna}),
            ask(client),
            ask(client, **{"X-Consent": "audio"}),
        ]
        assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
        refused = [
            ask(client, **{"X-Speaker-ID": "x" * 129}),
            ask(client, **{"X-Consent": "yes"}),
            client.post("/v1/emotion", **form, data={"speaker_id": jan}, headers={"X-Speaker-ID": anna}),
            client.post("/v1/emotion", **form, data={"speaker_id": ""}),
        ]
        assert [answer.status_code for answer in refused] == [422] * 4
        assert all(anna not in body(answer)["detail"] for answer in refused)
        wait_for(lambda: ask(client).is_success and any(row["is_measured"] for row in read_rows(served)), 300)
    rows = {row["request_id"]: row for row in read_rows(served)}
    measured = [row for row in rows.values() if row["is_measured"]]
    assert all(abs(row["f0_mean_hz"] - 160) < 2 for row in measured)  # the pitch of the sound
    first, with_consent, second, elsewhere, nobody, unnamed = (
        rows[answer.headers["x-request-id"]] for answer in answers
    )
    assert len({one["speaker"] for one in (first, second, elsewhere)}) == 3
    assert first["speaker"] == with_consent["speaker"]
    assert {one["speaker_key"] for one in (first, second, elsewhere)} == {"v1"}
    assert (nobody["speaker"], nobody["speaker_key"]) == (None, None)
    assert [one["consent"] for one in (first, with_consent, unnamed)] == [False, True, True]
    assert [one["audio"] is None for one in (first, second, elsewhere, nobody)] == [True] * 4
    kept = bytes.fromhex(with_consent["audio"])
    told, _ = soundfile.read(io.BytesIO(SOUND), dtype="float32")
    assert np.abs(decode_flac(kept) - told).max() < 1e-4
    for path in served.settings.home.rglob("*"):
        if path.is_file() and not path.is_relative_to(served.settings.home / "triton"):
            content = path.read_bytes()
            assert anna.encode() not in content, path
            assert jan.encode() not in content, path
    assert not any(name in json.dumps(row, ensure_ascii=False) for row in rows.values() for name in (anna, jan))


def test_shadows_failures_and_words_are_rows_of_their_own(served: GatewayPlatform) -> None:
    served.route("emotion", "emotion", shadow=served.digests["other"])
    with served.gateway(*QUICK), served.client(served.make_key()) as client:
        both = ask(client)
        words = client.post("/v1/personality", json={"text": "I love parties", "language": "en"})
        assert client.post("/v1/emotion", content=b"no sound", headers=WAV).status_code == 422
        served.route("emotion", "emotion", weights={"f" * 64: 1.0})
        wait_for(lambda: ask(client).status_code == 503)
        served.route("emotion", "emotion")
        wait_for(lambda: ask(client).status_code == 200)
    rows = read_rows(served)
    one, shadow = sorted(
        (row for row in rows if row["request_id"] == both.headers["x-request-id"]),
        key=lambda row: bool(row["is_shadow"]),
    )
    assert (one["is_shadow"], shadow["is_shadow"]) == (False, True)
    assert (one["model_digest"], shadow["model_digest"]) == (served.digests["emotion"], served.digests["other"])
    assert (one["route"], shadow["latency_ms"]) == (shadow["route"], None)
    assert shadow["duration_s"] == one["duration_s"]
    (said,) = [row for row in rows if row["family"] == "personality"]
    assert json.loads(said["answer"]) == words.json()["answer"]
    assert (said["duration_s"], said["is_measured"], said["confidence"]) == (None, False, None)
    assert "parties" not in json.dumps(said)
    failed = [row for row in rows if row["status"] != 200]
    assert {(row["status"], row["model_digest"], row["answer"]) for row in failed} == {(503, "f" * 64, None)}
    assert all(row["problem"] for row in failed)
    assert failed[0]["route"] > one["route"]


def test_switched_off_nothing_is_written(served: GatewayPlatform) -> None:
    with served.gateway("--set", "predictions.is_on=false"), served.client(served.make_key()) as client:
        assert ask(client, **{"X-Speaker-ID": "anna", "X-Consent": "audio"}).status_code == 200
        assert client.get("/readyz").json()["warnings"] == []
    assert not served.settings.predictions.exists()
