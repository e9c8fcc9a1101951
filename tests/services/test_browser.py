"""A person approves in a real browser, on MLflow's stock pages, and the model is in service within a minute.

Nothing is done for the person but typing and clicking, and nothing after the last click: Airflow hears of the approval
and deploys. What is in service is asked by stock clients.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from selenium.webdriver.common.by import By

from tests.conftest import signed_in
from tests.services.approver import record_pass
from tests.services.browser import Browser, find_chromium, open_browser
from tests.services.gateway_platform import GatewayPlatform
from tests.services.local_platform import running_platform
from tests.services.people import People, add_people
from tests.services.pipeline_folders import LABELS, PipelineFolders, make_repository, run_onnx, write_folders
from tests.services.release_process import Stranger
from tests.services.test_gateway import WAV, make_sound
from tests.soak import WHOLE
from tests.unit.evaluation.cases import POLICY, WORD, judge, make_answers, write_evaluation
from voxloop.evaluation.card_content import try_card
from voxloop.evaluation.gate import write_judgement
from voxloop.jobs.register import register
from voxloop.jobs.track import track
from voxloop.settings import Settings, get_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]
TASK, NUMBER = "emotion", 1
SERVED_SECONDS = 60 if WHOLE else 300  # beside other tests the processor is theirs
ALIAS_SECONDS = 120
"""How long after a version answers its alias may be seen, beside other tests."""


@pytest.fixture(scope="module")
def started(module_settings: Settings) -> Iterator[Settings]:
    """Settings of a whole platform that is up."""
    find_chromium()  # before a minute is spent
    with running_platform(module_settings):
        yield module_settings


@pytest.fixture(scope="module")
def staff(started: Settings) -> Iterator[People]:
    people = add_people(started)
    with people.client:
        yield people


@pytest.fixture(scope="module")
def waiting(started: Settings, tmp_path_factory: pytest.TempPathFactory) -> PipelineFolders:
    """A model that passed the gate, has its card, and is registered as version 1 from a checkout of its own."""
    root = tmp_path_factory.mktemp("waiting")
    checkout = make_repository(root / "checkout", started.project_root)
    with pytest.MonkeyPatch.context() as patch, signed_in(started):
        patch.setenv("VOXLOOP_PROJECT_ROOT", str(checkout))
        get_settings.cache_clear()
        folders = write_judged_folders(root / "made")
        run = (folders.weights, folders.model, folders.data, folders.evaluation, folders.verdict, root / "run")
        track(*run, task=TASK)
        register(root / "run", folders.model, folders.evaluation, folders.verdict, root / "version", task=TASK)
        record_pass(TASK, folders)
    get_settings.cache_clear()
    assert json.loads((root / "version" / "version.json").read_text())["version"] == NUMBER
    return folders


def write_judged_folders(root: Path) -> PipelineFolders:
    """Write what a pipeline run leaves, with answers that the gate judged and a card that it drew of them."""
    folders = write_folders(root, task=TASK)
    for made_by_hand in (folders.evaluation, folders.verdict):
        shutil.rmtree(made_by_hand)
    answers, digest = make_answers(champion=None, labels=LABELS), folders.model_digest
    write_evaluation(folders.evaluation, answers, champion=None, ever=False, model_digest=digest, labels=LABELS)
    judgement = judge(folders.evaluation, bootstrap=WORD)
    assert judgement.verdict == "PASS"
    folders.verdict.mkdir()
    write_judgement(judgement, folders.verdict)
    assert try_card(folders.evaluation, POLICY, judgement, folders.verdict) == ""
    return folders


@pytest.fixture
def browser(started: Settings, tmp_path: Path) -> Iterator[Browser]:
    with open_browser(started.mlflow_url, tmp_path / "profile") as browser:
        yield browser


def read_approvals(settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    """Return model and content of the ledger's approvals."""
    file = settings.ledger / "ledger.sqlite"
    query = "SELECT subject, payload FROM ledger_entry WHERE kind = 'approval' AND task = ?"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return [(model, json.loads(payload)) for model, payload in connection.execute(query, (TASK,))]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vic", "vic may not POST model-versions/set-tag; a viewer reads; ask its operator"),
        ("tim", "tim may not POST model-versions/set-tag; a trainer writes experiments and runs of its own"),
        ("author", "it is the work of test@localhost; nobody approves what they trained; ask somebody else"),
    ],
)
def test_who_may_not_approve_reads_why_on_the_page(
    started: Settings, staff: People, waiting: PipelineFolders, browser: Browser, name: str, told: str
) -> None:
    before = read_approvals(started)
    browser.sign_in(name, staff.passwords[name])
    browser.open_version(TASK, NUMBER)
    browser.add_tag("approval", "approved")
    refused = browser.read_alert()
    assert refused.startswith("Failed to add tag.")
    assert told in refused
    assert told in browser.text
    assert "approval" not in browser.read_tags()
    assert read_approvals(started) == before


def test_an_approval_in_the_browser_is_in_service_within_a_minute(
    started: Settings,
    staff: People,
    waiting: PipelineFolders,
    browser: Browser,
    capsys: pytest.CaptureFixture[str],
) -> None:
    browser.driver.get(f"{started.mlflow_url}/")
    assert "MLflow" not in browser.driver.title, "nobody is signed in"
    browser.sign_in("ann", staff.passwords["ann"])
    browser.open_version(TASK, NUMBER)
    assert "MLflow" in browser.driver.title
    assert "PASS under policy by-hand: 10 speakers stand behind this claim about new speakers" in browser.text
    read_report(browser, waiting)
    clicked = browser.add_tag("approval", "approved")
    browser.find(By.XPATH, "//*[normalize-space() = 'approved']")
    took = wait_until_served(started, waiting, clicked)
    with capsys.disabled():
        print(f"from the click to being in service: {took:.1f} s")
    assert took < SERVED_SECONDS
    ((model, approval),) = read_approvals(started)
    assert (model, approval["by"], approval["version"]) == (waiting.model_digest, "ann", NUMBER)
    refresh_until(browser, "@ champion")
    shown = browser.read_tags()
    assert (shown["approval"], shown["approval.by"]) == ("approved", "ann")
    assert find_names_in_logs(staff) == []


def refresh_until(browser: Browser, words: str) -> None:
    """Load the page anew until it holds some words: the alias follows the route, by a second or so."""
    until = time.monotonic() + ALIAS_SECONDS
    while True:
        browser.driver.refresh()
        browser.find(By.LINK_TEXT, "as it was judged")
        if words in browser.text:
            return
        assert time.monotonic() < until, browser.text
        time.sleep(1)


def read_report(browser: Browser, folders: PipelineFolders) -> None:
    """Follow the description's link to the model card, and see that it is there with its pictures."""
    with browser.following("as it was judged"):
        title = f"Model card: {TASK} {folders.model_digest[:12]}"
        assert browser.find(By.TAG_NAME, "h1").text == browser.driver.title == title
        assert "Verdict\nPASS\n10 speakers stand behind this claim about new speakers" in browser.text
        pictures = browser.driver.find_elements(By.TAG_NAME, "svg")
        assert len(pictures) >= 3
        assert all(one.is_displayed() and min(one.size.values()) > 50 for one in pictures)


def wait_until_served(settings: Settings, folders: PipelineFolders, since: float) -> float:
    """Return the seconds until Triton has the model, the ledger its route, and the gateway answers by it."""
    stranger, name = Stranger(settings, TASK), f"{TASK}-{folders.model_digest[:12]}"
    gateway = GatewayPlatform(settings)
    with gateway.client(gateway.make_key(TASK)) as client:
        while not (stranger.is_ready(name) and stranger.rows("route") and ask(client) == folders.model_digest):
            assert time.monotonic() - since < SERVED_SECONDS + 120, "the log of deploy_approved says why"
            time.sleep(0.1)
    took = time.monotonic() - since
    ramp = (np.arange(8000) / 8000).astype(np.float32)
    (expected,) = run_onnx(folders.model / "model.onnx", [ramp])
    assert stranger.answer(name) == pytest.approx(expected.tolist(), abs=1e-5)
    return took


def ask(client: httpx.Client) -> str:
    """Return the digest of the model that answers a caller; empty while there is none."""
    answer = client.post(f"/v1/{TASK}", content=make_sound(), headers=WAV)
    return str(answer.json()["model_digest"]) if answer.is_success else ""


def find_names_in_logs(people: People) -> list[str]:
    """Return whose password can be read in a log of the platform."""
    logs = "".join(path.read_text(errors="replace") for path in people.settings.home.rglob("*.log"))
    assert "/ajax-api/2.0/mlflow/model-versions/set-tag" in logs
    return [name for name, password in people.passwords.items() if password in logs]
