"""What can be said without an Airflow; the rest is asked of a real one in tests/services."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import free_ports
from voxloop.errors import ServiceUnavailableError
from voxloop.runners.airflow_api import AirflowApi, password_file
from voxloop.settings import Settings


def test_without_a_platform_the_remedy_is_named(settings: Settings) -> None:
    with pytest.raises(ServiceUnavailableError, match="voxloop up"):
        AirflowApi.connect(settings)


def test_a_server_that_does_not_answer_is_transient() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ServiceUnavailableError, match=f"Airflow at {url} does not answer"):
        AirflowApi(url, "password").dags()


def test_the_password_lies_in_the_home(settings: Settings) -> None:
    assert password_file(settings).is_relative_to(settings.home)


class Replies(AirflowApi):
    """A client whose looks at a run are told beforehand: a state, or None for no answer."""

    def __init__(self, *states: str | None) -> None:
        super().__init__("http://127.0.0.1:9", "password")
        self.states = list(states)

    def run_state(self, dag_id: str, run_id: str) -> str:
        if (state := self.states.pop(0)) is None:
            raise ServiceUnavailableError("Airflow does not answer (timed out)")
        return state

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        return {}


def test_a_run_is_followed_on_through_a_silence() -> None:
    api = Replies("queued", None, None, "running", None, "success")
    told = api.wait_for_run("nightly", "one", timeout=60, poll=0)
    assert told == "success"
    assert api.states == []


def test_a_long_silence_ends_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxloop.runners.airflow_api.SILENCE_SECONDS", -1.0)
    with pytest.raises(ServiceUnavailableError, match="timed out"):
        Replies("queued", None, "success").wait_for_run("nightly", "one", timeout=60, poll=0)


def test_a_run_that_goes_on_for_too_long_is_said_to_go_on() -> None:
    with pytest.raises(ServiceUnavailableError, match="still running after 0 s"):
        Replies("running", "running", "running").wait_for_run("nightly", "one", timeout=0, poll=0)


class Answers(AirflowApi):
    """A client whose server answers with these status codes, one after another."""

    def __init__(self, *codes: int) -> None:
        super().__init__("http://127.0.0.1:9", "password")
        self._token = "token"
        self.codes = list(codes)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        request = httpx.Request(method, f"{self.url}{path}")
        return httpx.Response(self.codes.pop(0), json={"detail": "Database error"}, request=request)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxloop.runners.airflow_api.SERVER_ERROR_WAITS", (0.0, 0.0))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("codes", "new"), [((200,), True), ((500, 200), True), ((500, 503, 409), False)])
def test_a_server_error_is_asked_again_and_no_run_starts_twice(codes: tuple[int, ...], new: bool) -> None:
    api = Answers(*codes)
    assert api.trigger("nightly", run_id="one", conf={}) is new
    assert api.codes == []


@pytest.mark.usefixtures("hurried")
def test_a_lasting_server_error_is_told() -> None:
    api = Answers(500, 500, 500, 200)
    with pytest.raises(ServiceUnavailableError, match="500"):
        api.trigger("nightly", run_id="one", conf={})
    assert api.codes == [200]


@pytest.mark.parametrize(("attempt", "asked"), [(None, 3), (1, 1)])
def test_the_log_is_of_the_last_attempt_unless_another_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, attempt: int | None, asked: int
) -> None:
    paths = list[str]()

    def get(self: AirflowApi, path: str, **query: str | int) -> dict[str, Any]:
        paths.append(path)
        return {"try_number": 3, "content": [{"event": "it failed"}]}

    monkeypatch.setattr(AirflowApi, "_get", get)
    assert AirflowApi("http://127.0.0.1:9", "password").task_log("nightly", "one", "train", attempt=attempt) == [
        "it failed"
    ]
    assert paths[-1].endswith(f"/taskInstances/train/logs/{asked}")
