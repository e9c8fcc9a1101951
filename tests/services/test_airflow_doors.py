"""Airflow's real API server as `up` starts it: what it answers to somebody without a token, and what a token is for."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import pytest
from selenium.webdriver.common.by import By

from tests.services.browser import Browser, open_browser
from tests.services.servers import running
from voxloop.local.airflow import keep_secrets, prepare_airflow, without_airflow
from voxloop.local.programs import build_component
from voxloop.runners.airflow_api import USER, AirflowApi, airflow_home, password_file
from voxloop.runners.airflow_door import COOKIE, FILES, LOGIN_PAGE, LONGEST, OPEN, SIGN_IN
from voxloop.settings import Settings, child_environment

ROUTES = Path(__file__).with_name("airflow_routes.py")
WRITES = ("POST", "PUT", "PATCH", "DELETE")
METHODS = ("GET", "HEAD", "OPTIONS", *WRITES)
PAGE = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
NEVER = {"Content-Type": "application/json", "Content-Length": str(10**12)}
"""Of a body that never comes: who wants to read it first gives no answer."""
Place = tuple[str, str]


@dataclass(frozen=True)
class Airflow:
    """An API server that runs, alone of Airflow's components.

    Args:
        settings: Of its platform.
        described: Method and path of each route, as descriptions have it.
        places: Every path with every method, known or not; of files those that read.
        versions: Of the execution API.
    """

    settings: Settings
    described: frozenset[Place]
    places: tuple[Place, ...]
    versions: tuple[str, ...]

    def ask(self, method: str, path: str, **headers: str) -> int:
        """Return the status of the answer to the head of a request, whose path is sent as it is written here."""
        connection = http.client.HTTPConnection(self.settings.host, self.settings.ports.airflow, timeout=120)
        try:
            connection.putrequest(method, path)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def airflow(module_settings: Settings) -> Iterator[Airflow]:
    prepare_airflow(module_settings)
    server = build_component(module_settings, "airflow-api-server")
    env = without_airflow(child_environment(server.environment))
    with running(server.argv, server.health, server.log, env=env, seconds=300):
        command = [sys.executable, "-W", "ignore", str(ROUTES)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        described = {(method, path) for methods, path, _ in found["routes"] for method in methods}
        files = {(method, path) for methods, path, _ in found["routes"] for method in methods if "/static/" in path}
        more = {"/", "/nowhere", "/api/v2", "/auth", "/execution", *(path for _, path in OPEN)}
        paths = {path for *_, path in found["routes"]} | more
        asked = files | {(method, path) for path in paths - {path for _, path in files} for method in METHODS}
        yield Airflow(module_settings, frozenset(described), tuple(sorted(asked)), tuple(found["versions"]))


@pytest.fixture
def client(airflow: Airflow) -> Iterator[httpx.Client]:
    """A connection for each request: Airflow ends it where it answers 500, as to a sign-in without a body."""
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=airflow.settings.airflow_url, trust_env=False, timeout=120, limits=once) as client:
        yield client


@pytest.fixture(scope="module")
def token(airflow: Airflow) -> str:
    """A person's token, by the password."""
    asked = {"username": USER, "password": json.loads(password_file(airflow.settings).read_text())[USER]}
    answer = httpx.post(f"{airflow.settings.airflow_url}/auth/token", json=asked, trust_env=False, timeout=120)
    return str(answer.raise_for_status().json()["access_token"])


def is_open(place: Place) -> bool:
    method, path = place
    return place in OPEN or (method == "GET" and path.startswith(FILES))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_every_route_and_method_wants_a_token(airflow: Airflow, client: httpx.Client) -> None:
    assert len(airflow.places) > 1000
    answered = {place: client.request(*place) for place in airflow.places}
    shut = {place: answer for place, answer in answered.items() if not is_open(place)}
    assert {place for place, answer in answered.items() if answer.status_code != 401} == answered.keys() - shut.keys()
    said = {answer.json()["detail"] for (method, _), answer in shut.items() if method != "HEAD"}
    assert said == {"there is no token; every request has one; POST /auth/token gives it"}


def test_the_routes_are_those_the_running_server_describes(airflow: Airflow, client: httpx.Client, token: str) -> None:
    documents = {"/openapi.json": "", "/auth/openapi.json": "/auth"}
    newest, oldest = airflow.versions[0], airflow.versions[-1]
    assert newest > oldest
    documents |= {f"/execution/openapi.json?version={version}": "/execution" for version in (newest, oldest)}
    for document, prefix in documents.items():
        paths = client.get(document, headers=bearer(token)).raise_for_status().json()["paths"]
        told = {(method.upper(), prefix + path) for path, methods in paths.items() for method in methods}
        assert told - airflow.described == set(), document
        assert len(told) >= 4, document


def test_no_body_is_read_of_who_has_no_token(airflow: Airflow) -> None:
    for method, path in airflow.places:
        if method in WRITES:
            status = airflow.ask(method, path, **NEVER)
            assert status == (413 if (method, path) == SIGN_IN else 401), (method, path)


def test_a_browser_is_sent_to_the_login_page(airflow: Airflow, client: httpx.Client) -> None:
    sent = {
        path: client.get(path, headers={"Accept": PAGE}).headers["location"]
        for method, path in airflow.places
        if method == "GET" and not is_open((method, path))
    }
    assert {address.split("?")[0] for address in sent.values()} == {LOGIN_PAGE}
    assert sent["/"] == LOGIN_PAGE
    asked = client.get("/dags/a%2Fb?tab=runs&x=%26", headers={"Accept": PAGE})
    assert httpx.URL(asked.headers["location"]).params["next"] == "/dags/a/b?tab=runs&x=%26"
    assert client.post("/api/v2/pools", headers={"Accept": PAGE}).status_code == 401


def test_a_path_that_only_looks_open_is_not(airflow: Airflow) -> None:
    for path in (
        "//auth/login",
        "/auth/login/",
        "/auth/./login",
        "/AUTH/login",
        "/auth/static",
        "/auth/loginx",
        "/x/../docs",
    ):
        assert airflow.ask("GET", path) == 401, path
    for path in (f"{FILES}../docs", f"{FILES}%2e%2e/openapi.json", f"{FILES}../../openapi.json"):
        assert airflow.ask("GET", path) == 404, path
    assert airflow.ask("GET", f"{LOGIN_PAGE}?next=/docs") == 200


def test_only_a_valid_token_of_this_server_is_one(airflow: Airflow, client: httpx.Client, token: str) -> None:
    key, claims = (
        keep_secrets(airflow_home(airflow.settings))["jwt_secret"],
        jwt.decode(token, options={"verify_signature": False}),
    )
    wrong = {
        "outdated": jwt.encode({**claims, "exp": time.time() - 60}, key, "HS512"),
        "endless": jwt.encode({name: value for name, value in claims.items() if name != "exp"}, key, "HS512"),
        "of another key": jwt.encode(claims, "x" * 64, "HS512"),
        "for somebody else": jwt.encode({**claims, "aud": "somebody"}, key, "HS512"),
        "unsigned": jwt.encode(claims, "", "none"),
        "none": "nonsense",
    }
    places = (("GET", "/"), ("GET", "/docs"), ("GET", "/api/v2/version"), ("POST", "/execution/hitlDetails/1"))
    for why, bad in wrong.items():
        for method, path in places:
            for headers in (bearer(bad), {"Cookie": f"{COOKIE}={bad}"}, bearer(bad) | {"Cookie": f"{COOKIE}={token}"}):
                assert client.request(method, path, headers=headers).status_code == 401, (why, method, path)
    for headers in (bearer(token), {"Cookie": f"{COOKIE}={token}"}):
        assert client.get("/api/v2/version", headers=headers).status_code == 200
    # What it is good for says Airflow: a person is no task.
    assert client.get("/execution/variables/x", headers=bearer(token)).status_code in (401, 403)
    assert jwt.encode(claims, key, "HS512") not in wrong.values()


def test_a_token_is_had_by_the_password_alone(airflow: Airflow, client: httpx.Client) -> None:
    assert client.post("/auth/token", json={"username": USER, "password": "wrong"}).status_code == 401
    assert client.post("/auth/token", json={"username": USER, "password": "x" * LONGEST}).status_code == 413
    assert client.post("/auth/token", content=iter([b"{}"])).status_code == 413  # of unknown length
    for path in ("/auth/token", "/auth/token/login"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("set-cookie")) == (401, None)
    api = AirflowApi.connect(airflow.settings)
    assert api.dags() == []
    api._token = "outdated"
    assert api.dags() == []


def test_a_person_signs_in_with_a_browser(airflow: Airflow, tmp_path: Path) -> None:
    password = json.loads(password_file(airflow.settings).read_text())[USER]
    with open_browser(airflow.settings.airflow_url, tmp_path) as browser:
        browser.driver.get(f"{browser.url}/dags")
        browser.find(By.NAME, "username").send_keys(USER)
        browser.find(By.NAME, "password").send_keys(password)
        browser.find(By.CSS_SELECTOR, "button[type=submit]").click()
        browser.wait_for(lambda driver: driver.current_url == f"{browser.url}/dags", "not signed in")
        browser.wait_for(lambda _: "No Dags" in browser.text or "0 Dags" in browser.text, "no list of DAGs")
        assert read_refusals(browser) == []
        browser.driver.execute_async_script("fetch('/nowhere', {credentials: 'omit'}).then(arguments[0])")
        (refused,) = read_refusals(browser)
    assert "/nowhere" in refused


def read_refusals(browser: Browser) -> list[str]:
    """Return what the page was refused since it was last asked for."""
    told: list[dict[str, str]] = browser.driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in told if " 401 " in entry["message"]]
