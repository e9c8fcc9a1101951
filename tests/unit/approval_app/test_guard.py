"""The guard before an application that would do anything: what comes through, and what it then says."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from voxloop.approval_app import routes
from voxloop.approval_app.accounts import AccountBook
from voxloop.approval_app.guard import Guard, read_basic
from voxloop.approval_app.rules import judge_write
from voxloop.approval_app.tracked import Owned, Tracked
from voxloop.release.roles import OWNER, Role

AT = datetime(2026, 11, 29, tzinfo=UTC)
RUN, OTHERS, JUDGED = "1" * 32, "2" * 32, "3" * 32
WRITE = "/ajax-api/2.0/mlflow/"


class Known(Tracked):
    """Knows three runs: ann's, the service's, and one of hers that was registered."""

    def find_run(self, run_id: str) -> Owned:
        owner = "service" if run_id == OTHERS else "ann"
        versions = ("emotion version 1",) if run_id == JUDGED else ()
        return Owned(f"run {run_id[:3]}", owner, {}, "1" if owner == "ann" else "2", versions)

    def find_experiment(self, experiment_id: str) -> Owned:
        return Owned(f"experiment {experiment_id}", "ann" if experiment_id == "1" else "service", {}, experiment_id)


async def anything(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with its body."""
    request = Request(scope, receive)
    body = await request.body()
    told = {"body": body.decode("latin-1"), "length": request.headers.get("content-length")}
    await JSONResponse(told)(scope, receive, send)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


class Door:
    """Asks the guard as one account or another."""

    def __init__(self, place: Path) -> None:
        book = AccountBook(place / "accounts.json")
        self.passwords = {
            "ann": book.add("ann", Role.TRAINER, (), AT),
            "vic": book.add("vic", Role.VIEWER, (), AT),
            "app": book.add("app", Role.APPROVER, ("app@example.org",), AT),
        }
        book.ensure_service(place / "password", AT)
        self.passwords["service"] = (place / "password").read_text()
        self.guard = Guard(anything, book, Known(), judge_write)

    def ask(self, account: str | None, method: str, path: str, **content: Any) -> httpx.Response:
        async def act() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.guard)
            auth = (account, self.passwords[account]) if account else None
            async with httpx.AsyncClient(transport=transport, base_url="http://here", auth=auth) as client:
                return await client.request(method, f"http://here{path}", **content)

        return asyncio.run(act())

    def write(self, account: str, act: str, fields: dict[str, Any], method: str = "POST") -> httpx.Response:
        return self.ask(account, method, WRITE + act, json=fields)


def test_without_an_account_nothing_but_health_and_version(door: Door) -> None:
    assert {door.ask(None, method, path).status_code for method, path in routes.OPEN} == {200}
    for method, path in (("GET", "/"), ("POST", WRITE + "runs/search"), ("POST", "/health"), ("GET", "/health/")):
        answer = door.ask(None, method, path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Basic YW5u", "Bearer YW5uOng=", "Basic YW5uOng=", "Basic /w=="]
)
def test_what_is_no_sign_in(door: Door, header: str) -> None:
    assert door.ask(None, "GET", "/", headers={"Authorization": header}).status_code == 401


@given(st.text(max_size=80))
def test_any_header_is_a_name_and_a_password_or_nothing(header: str) -> None:
    found = read_basic(header)
    assert found is None or all(isinstance(part, str) for part in found)


NOT_READ = (
    "/gateway/mlflow/v1/models",
    "/gateway/x/%0Ay",
    WRITE + "gateway-proxy",
    "/ajax-api/3.0/mlflow/gateway/secrets/list",
    "/ajax-api/3.0/mlflow/assistant/providers",
    "/ajax-api/2.0/mlflow-artifacts/presigned/1/a",
)


def test_everybody_reads_also_by_post(door: Door) -> None:
    for account in door.passwords:
        assert door.ask(account, "GET", "/anywhere").is_success
        assert door.write(account, "runs/search", {"experiment_ids": ["1"]}).is_success
        assert door.ask(account, "POST", "/graphql", json={"query": "{}"}).is_success
        named = f"/api/2.0/mlflow-artifacts/artifacts/1/{RUN}/artifacts/gateway/mlflow/assistant/a.txt"
        assert door.ask(account, "GET", named).is_success, "an artifact may be called anything"
        assert {door.ask(account, "GET", path).status_code for path in NOT_READ} == {403}


WRITES_OF_A_TRAINER = [
    ("experiments/create", {"name": "mine"}),
    ("experiments/update", {"experiment_id": "1", "new_name": "ours"}),
    ("runs/create", {"experiment_id": "1", "start_time": 1}),
    ("runs/log-metric", {"run_id": RUN, "key": "a", "value": 1.0}),
    ("runs/log-batch", {"run_id": RUN, "metrics": [], "tags": [{"key": "a", "value": "b"}]}),
    ("runs/update", {"run_id": RUN, "run_uuid": RUN, "status": "FINISHED"}),
    ("runs/delete", {"run_id": RUN}),
]


@pytest.mark.parametrize(("act", "fields"), WRITES_OF_A_TRAINER)
def test_a_trainer_writes_its_own_and_nobody_else_does(door: Door, act: str, fields: dict[str, Any]) -> None:
    assert door.write("ann", act, fields).is_success
    for account in ("vic", "app"):
        answer = door.write(account, act, fields)
        assert answer.status_code == 403
        assert answer.json()["error_code"] == "PERMISSION_DENIED"
        assert account in answer.json()["message"]


@pytest.mark.parametrize(
    ("act", "fields", "reason"),
    [
        ("runs/log-metric", {"run_id": OTHERS, "key": "a", "value": 1}, "is service's"),
        ("runs/set-tag", {"run_id": JUDGED, "key": "a", "value": "1"}, "emotion version 1 was judged by"),
        ("runs/create", {"experiment_id": "2"}, "is service's"),
        ("experiments/delete", {"experiment_id": "2"}, "is service's"),
        ("experiments/create", {"name": "x", "artifact_location": "mlflow-artifacts:/2"}, "artifact_location"),
        ("registered-models/create", {"name": "x"}, "no models"),
        ("registered-models/alias", {"name": "x", "alias": "champion", "version": "1"}, "no models"),
        ("model-versions/create", {"name": "x", "source": "y"}, "no models"),
        ("model-versions/set-tag", {"name": "x", "version": "1", "key": "approval", "value": "approved"}, "no models"),
        ("registered-models/rename", {"name": "x", "new_name": "y"}, "not known to be harmless"),
        ("runs/set-tag", {"run_id": RUN, "key": OWNER, "value": "ann"}, "server alone"),
        ("runs/set-tag", {"run_id": RUN, "key": "mlflow.user", "value": "app"}, "signed in as ann"),
        ("runs/create", {"experiment_id": "1", "user_id": "Service"}, "signed in as ann"),
        ("runs/set-tag", {"run_id": RUN, "key": "mlflow.user", "value": "root"}, "signed in as ann"),
        ("runs/delete-tag", {"run_id": RUN, "key": "mlflow.user"}, "signed in as ann"),
        ("runs/log-batch", {"run_id": RUN, "tags": [{"key": "mlflow.user", "value": "x"}]}, "signed in as ann"),
    ],
)
def test_what_a_trainer_may_not(door: Door, act: str, fields: dict[str, Any], reason: str) -> None:
    answer = door.write("ann", act, fields)
    assert answer.status_code == 403
    assert reason in answer.json()["message"]
    assert answer.json()["message"].count(";") == 2, "value, rule, remedy"


def test_whose_a_run_is_is_who_signed_in(door: Door) -> None:
    claimed = {"experiment_id": "1", "user_id": "root", "tags": [{"key": "mlflow.user", "value": "root"}]}
    written = json.loads(door.write("ann", "runs/create", claimed).json()["body"])
    assert written["user_id"] == "ann"
    assert {tag["key"]: tag["value"] for tag in written["tags"]} == {OWNER: "ann", "mlflow.user": "ann"}


@pytest.mark.parametrize(
    ("act", "fields", "passes"),
    [
        ("registered-models/create", {"name": "emotion"}, True),
        ("registered-models/create", {"name": "emotion", "tags": [{"key": "a", "value": "b"}]}, False),
        ("registered-models/set-tag", {"name": "emotion", "key": "voxloop.ledger_head", "value": "1"}, True),
        ("registered-models/set-tag", {"name": "emotion", "key": "other", "value": "1"}, False),
        ("registered-models/alias", {"name": "emotion", "alias": "champion", "version": "1"}, True),
        ("model-versions/create", {"name": "emotion", "tags": [{"key": "voxloop.verdict", "value": "PASS"}]}, True),
        ("model-versions/create", {"name": "emotion", "tags": [{"key": "approval", "value": "approved"}]}, False),
        ("model-versions/create", {"name": "emotion", "tags": [{"key": " Approval.by", "value": "x"}]}, False),
        ("model-versions/set-tag", {"name": "emotion", "version": "1", "key": "approval", "value": "approved"}, False),
        ("model-versions/set-tag", {"name": "emotion", "version": "1", "key": "voxloop.verdict", "value": "x"}, False),
        ("model-versions/set-tag", {"name": "emotion", "version": "1", "key": "review", "value": "open"}, True),
        ("runs/set-tag", {"run_id": JUDGED, "key": "voxloop.erased", "value": "x"}, True),
        ("runs/set-tag", {"run_id": RUN, "key": "a", "value": "x"}, False),
        ("runs/set-tag", {"run_id": OTHERS, "key": "a", "value": "x"}, True),
        ("experiments/delete", {"experiment_id": "2"}, False),
        ("runs/create", {"experiment_id": "2", "user_id": "unknown"}, True),
        ("runs/create", {"experiment_id": "1"}, False),
    ],
)
def test_the_service_writes_what_jobs_do_and_no_approval(door: Door, act: str, fields: Any, passes: bool) -> None:
    assert door.write("service", act, fields).is_success == passes


@pytest.mark.parametrize(
    ("account", "method", "path", "passes"),
    [
        ("ann", "PUT", f"1/{RUN}/artifacts/a/b.txt", True),
        ("ann", "PUT", f"1/{JUDGED}/artifacts/verdict/report.json", False),
        ("ann", "PUT", f"2/{OTHERS}/artifacts/a", False),
        ("ann", "PUT", f"1/{OTHERS}/artifacts/a", False),
        ("ann", "PUT", f"1/{RUN}/artifacts/../../{JUDGED}/artifacts/a", False),
        ("ann", "PUT", f"1/{RUN}/artifacts/%252e%252e/a", False),
        ("ann", "PUT", f"1/{RUN}/a", False),
        ("vic", "PUT", f"1/{RUN}/artifacts/a", False),
        ("app", "DELETE", f"1/{RUN}/artifacts/a", False),
        ("service", "PUT", f"2/{OTHERS}/artifacts/a", True),
        ("service", "PUT", f"1/{JUDGED}/artifacts/a", False),
        ("service", "DELETE", f"1/{JUDGED}/artifacts/a", True),
    ],
)
def test_artifacts_of_a_run(door: Door, account: str, method: str, path: str, passes: bool) -> None:
    for entry in ("api", "ajax-api"):
        answer = door.ask(account, method, f"/{entry}/2.0/mlflow-artifacts/artifacts/{path}", content=b"bytes")
        assert answer.is_success == passes, answer.text
        assert not passes or answer.json()["body"] == "bytes"


@pytest.mark.parametrize(
    ("origin", "passes"), [(None, True), ("http://here", True), ("http://evil.example", False), ("null", False)]
)
def test_a_page_of_another_site_writes_nothing(door: Door, origin: str | None, passes: bool) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = door.ask("ann", "POST", WRITE + "runs/delete", json={"run_id": RUN}, headers=headers)
    assert answer.is_success == passes
    crossed = door.ask(
        "ann", "POST", WRITE + "runs/delete", json={"run_id": RUN}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert crossed.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        f'{{"runId": "{RUN}"}}',
        f'{{"run_id": "{RUN}", "run_id": "{JUDGED}"}}',
        f'{{"run_id": "{RUN}", "run_uuid": "{JUDGED}"}}',
        f'"{{\\"run_id\\": \\"{JUDGED}\\"}}"',
        "[]",
        "",
        "{",
        "[" * 100_000,
    ],
)
def test_a_body_that_could_be_read_in_two_ways(door: Door, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = door.ask("ann", "POST", WRITE + "runs/delete", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    plain = door.ask("ann", "POST", WRITE + "runs/delete", content=f'{{"run_id": "{RUN}"}}')
    assert plain.status_code == 400


def test_what_goes_inwards_is_what_was_judged(door: Door) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = door.ask(
        "ann", "POST", WRITE + "runs/delete", content=f' {{ "run_id" :"{RUN}" }} ', headers=headers
    ).json()
    assert json.loads(answer["body"]) == {"run_id": RUN}
    assert answer["length"] == str(len(answer["body"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]),
    st.lists(
        st.sampled_from(["api", "ajax-api", "2.0", "mlflow", "runs", "delete", "", ".", "model-versions"]), max_size=7
    ),
)
def test_a_viewer_never_writes(door: Door, method: str, parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    answer = door.ask("vic", method, path, json={"run_id": RUN})
    assert answer.status_code == (200 if routes.is_read(method, httpx.URL(f"http://here{path}").path) else 403)
