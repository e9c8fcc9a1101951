"""Airflow's REST API (`/api/v2`): start a DAG run under a name of our own, follow it, read what it left."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from voxloop.errors import InputError, RefusedError, ServiceUnavailableError
from voxloop.settings import Settings

USER = "admin"
ENDED = ("success", "failed")
SILENCE_SECONDS = 120.0
"""How long a run is followed on while the server gives no answer: a busy machine is not one where it is down."""
SERVER_ERROR_WAITS = (0.5, 2.0)
"""Seconds before each further attempt after an answer of 500 and above: SQLite's upgrade of a read to a write fails at
once when another writer was first. Everything asked here may be asked twice: a run has a name of our own."""
DENIED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def airflow_home(settings: Settings) -> Path:
    """Return the folder of Airflow's configuration and database on this machine."""
    return settings.home.absolute() / "airflow"


def password_file(settings: Settings) -> Path:
    """Return the JSON file {user: password} of Airflow's simple auth manager, readable by its owner."""
    return airflow_home(settings) / "passwords.json"


class AirflowApi:
    """A client of one Airflow API server.

    Args:
        url: Address of the server, without a path.
        password: Password of the user `USER`.
        timeout: Seconds one request may take. The first that starts a run makes the server load what it needs: more
            than 20 s on two busy cores.
    """

    def __init__(self, url: str, password: str, *, timeout: float = 90.0) -> None:
        self.url = url
        self._password = password
        self._timeout = timeout
        self._token = ""
        self._tls = httpx.create_ssl_context(trust_env=False)  # 30 ms: once a client, not once a request

    @classmethod
    def connect(cls, settings: Settings) -> AirflowApi:
        """Return a client for the Airflow of these settings.

        Raises:
            ServiceUnavailableError: No Airflow was ever started here.
        """
        path = password_file(settings)
        if not path.exists():
            raise ServiceUnavailableError(f"no password of Airflow in {path}", remedy="start it: voxloop up")
        return cls(settings.airflow_url, json.loads(path.read_text())[USER])

    def dags(self) -> list[str]:
        """Return the ids of the DAGs Airflow has read."""
        return [item["dag_id"] for item in self._pages("/api/v2/dags", "dags")]

    def import_errors(self) -> dict[str, str]:
        """Return the trace of every DAG file that cannot be imported, by file."""
        return {i["filename"]: i["stack_trace"] for i in self._pages("/api/v2/importErrors", "import_errors")}

    def trigger(self, dag_id: str, *, run_id: str, conf: Mapping[str, object]) -> bool:
        """Start a run of a DAG; asked twice with the same `run_id`, it is started once.

        Args:
            dag_id: The DAG.
            run_id: Name of the run, ours to choose.
            conf: Values for the DAG's parameters.

        Returns:
            Whether the run is new.

        Raises:
            InputError: Airflow does not know the DAG or refuses the values.
            ServiceUnavailableError: Airflow does not answer.
        """
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        answer = self._request("POST", f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            return False
        self._read(answer)
        return True

    def pause(self, dag_id: str) -> None:
        """Let the schedule of a DAG start nothing more; what runs goes on.

        Raises:
            InputError: Airflow does not know the DAG.
            ServiceUnavailableError: Airflow does not answer.
        """
        self._read(self._request("PATCH", f"/api/v2/dags/{quote(dag_id, safe='')}", json={"is_paused": True}))

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return str(self._get(_run_path(dag_id, run_id))["state"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of every task of a run; `none` for one that was not yet scheduled."""
        items = self._pages(f"{_run_path(dag_id, run_id)}/taskInstances", "task_instances")
        return {item["task_id"]: item["state"] or "none" for item in items}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> object:
        """Return what a task handed on under `key`."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}/xcomEntries/{quote(key, safe='')}"
        return self._get(path, deserialize="true")["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, attempt: int | None = None) -> list[str]:
        """Return the lines a task has printed so far in one of its attempts (the first is 1); None for its last."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"
        number = self._get(path)["try_number"] if attempt is None else attempt
        content = self._get(f"{path}/logs/{number}", full_content="true")["content"]
        return [line if isinstance(line, str) else str(line["event"]) for line in content]

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout: float,
        on_change: Callable[[str, str], object] | None = None,
        poll: float = 1.0,
    ) -> str:
        """Wait until a run has ended.

        Args:
            dag_id: The DAG.
            run_id: The run.
            timeout: Seconds to wait at most.
            on_change: Called with (task, state) whenever a task's state has changed.
            poll: Seconds between two looks.

        Returns:
            `success` or `failed`.

        Raises:
            ServiceUnavailableError: The run has not ended in time, or for `SILENCE_SECONDS` there was no answer.
        """
        seen = dict[str, str]()
        answered = time.monotonic()
        end = answered + timeout
        while True:
            try:
                state, tasks = self.run_state(dag_id, run_id), self.task_states(dag_id, run_id)
            except ServiceUnavailableError:
                if time.monotonic() > min(end, answered + SILENCE_SECONDS):
                    raise
                time.sleep(poll)
                continue
            answered = time.monotonic()
            for task, now_in in tasks.items():
                if seen.get(task, "none") != now_in:
                    seen[task] = now_in
                    if on_change:
                        on_change(task, now_in)
            if state in ENDED:
                return state
            if answered > end:
                raise ServiceUnavailableError(f"run {run_id} of {dag_id} is still {state} after {timeout:.0f} s")
            time.sleep(poll)

    def _pages(self, path: str, items: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while batch := self._get(path, limit=100, offset=offset)[items]:
            yield from batch
            offset += len(batch)

    def _get(self, path: str, **query: str | int) -> dict[str, Any]:
        return self._read(self._request("GET", path, params=query))

    def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        if not self._token:
            self._log_in()
        answer = self._send_again(method, path, **content)
        if answer.status_code in DENIED:  # tokens live for a day; an outdated one is answered 401 or 403
            self._log_in()
            answer = self._send_again(method, path, **content)
        return answer

    def _log_in(self) -> None:
        self._token = ""
        body = {"username": USER, "password": self._password}
        self._token = self._read(self._send_again("POST", "/auth/token", json=body))["access_token"]

    def _send_again(self, method: str, path: str, **content: Any) -> httpx.Response:
        answer = self._send(method, path, **content)
        for wait in SERVER_ERROR_WAITS:
            if not answer.is_server_error:
                break
            time.sleep(wait)
            answer = self._send(method, path, **content)
        return answer

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        try:  # no proxy: the server is on this machine or inside the cluster
            with httpx.Client(base_url=self.url, timeout=self._timeout, trust_env=False, verify=self._tls) as client:
                return client.request(method, path, headers=headers, **content)
        except httpx.HTTPError as failed:
            raise ServiceUnavailableError(
                f"Airflow at {self.url} does not answer ({failed})", remedy="see `voxloop status`"
            ) from None

    def _read(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.is_success:
            return dict(answer.json())
        what = f"Airflow answered {answer.status_code} to {answer.request.method} {answer.request.url.path}"
        said = answer.text[:300]
        if answer.is_server_error:
            raise ServiceUnavailableError(what, rule=said, remedy="see the log of airflow-api-server")
        if answer.status_code in DENIED:
            raise RefusedError(what, rule=said)
        raise InputError(what, rule=said)


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
