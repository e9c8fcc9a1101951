"""The approval and what else is refused, by a real server: through REST and through the UI's own paths."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.approver import record_pass
from tests.services.people import DOORS, FAMILY, People, refusal
from tests.services.pipeline_folders import PipelineFolders
from tests.services.test_triton import do_register
from voxloop.adapters.mlflow import connect
from voxloop.adapters.mlflow_rest import list_versions
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import Entry
from voxloop.monitoring.retraining import ASKED, Reason
from voxloop.monitoring.retraining_acts import claim
from voxloop.release.approvals import find_recorded_objection
from voxloop.release.freezes import freeze_family, unfreeze_family
from voxloop.release.roles import SERVICE_ACCOUNT
from voxloop.release.versions import ModelVersion
from voxloop.settings import Settings, now

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


@pytest.fixture
def jobs(people: People, registry_home: Settings) -> People:
    """The people, and settings of jobs in a checkout whose commit is by test@localhost."""
    assert registry_home.home == people.settings.home
    return people


GAINS = iter(range(1, 1000))


def register(root: Path, **changes: Any) -> PipelineFolders:
    """Register another version of emotion, judged and approvable."""
    folders = do_register(root, task=FAMILY, approval=None, gain=float(next(GAINS)), **changes)
    record_pass(FAMILY, folders)
    return folders


def newest(people: People) -> ModelVersion:
    return list_versions(people.settings, FAMILY)[-1]


def rows(people: People, kind: str) -> list[Entry]:
    return [entry for entry in open_ledger(people.settings).verify() if (entry.task, entry.kind) == (FAMILY, kind)]


def objection(people: People) -> str:
    entries = open_ledger(people.settings).read()
    return find_recorded_objection(entries, newest(people), by_name=True, at=now(), lasts=timedelta(days=14))


def open_database(people: People) -> sqlite3.Connection:
    return sqlite3.connect(people.settings.home / "mlflow" / "mlflow.db", timeout=60)


def change_tag(people: People, key: str, value: str) -> None:
    """Change a tag of the newest version in MLflow's database, past every door."""
    number = newest(people).number
    with closing(open_database(people)) as database, database:
        changed = (value, FAMILY, number, key)
        sql = "UPDATE model_version_tags SET value = ? WHERE name = ? AND version = ? AND key = ?"
        if not database.execute(sql, changed).rowcount:
            database.execute("INSERT INTO model_version_tags (value, name, version, key) VALUES (?, ?, ?, ?)", changed)


def test_an_approval_is_a_row_of_who_signed_in_and_a_picture_of_it(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    version = newest(jobs)
    assert objection(jobs) == "the ledger has no approval of it"
    fields = {"name": FAMILY, "version": str(version.number), "key": "approval.comment", "value": "I listened"}
    assert jobs.write("ann", "model-versions/set-tag", fields).is_success
    assert jobs.approve("ann", version.number).json() == {}
    (row,) = [one for one in rows(jobs, "approval") if one.content["version"] == version.number]
    assert (row.content["by"], row.content["comment"]) == ("ann", "I listened")
    assert row.content["model"] == version.model_digest
    assert objection(jobs) == ""
    tags = newest(jobs).tags
    said = [tags[f"approval{part}"] for part in ("", ".by", ".at", ".evidence")]
    assert said == ["approved", "ann", row.at, row.content["evidence"]]
    assert jobs.approve("ann", version.number, door="api").is_success
    assert len([one for one in rows(jobs, "approval") if one.content["version"] == version.number]) == 1


def test_a_row_whose_picture_was_lost_is_an_approval_and_is_drawn_again(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    version = newest(jobs)
    assert jobs.approve("ann", version.number).is_success
    drawn = newest(jobs).tags
    with closing(open_database(jobs)) as database, database:
        mine = (FAMILY, version.number)
        database.execute("DELETE FROM model_version_tags WHERE key LIKE 'approval%' AND name = ? AND version = ?", mine)
    assert newest(jobs).tags == version.tags
    assert objection(jobs) == ""
    assert jobs.approve("ann", version.number).is_success
    assert newest(jobs).tags == drawn


def test_a_rejection_and_an_approval_taken_back_are_rows_too(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    number = newest(jobs).number
    assert jobs.approve("ann", number).is_success
    deleted = {"name": FAMILY, "version": str(number), "key": "approval"}
    assert jobs.write("ann", "model-versions/delete-tag", deleted, method="DELETE").is_success
    assert objection(jobs) == "the ledger has no approval of it"
    assert not {"approval", "approval.evidence"} & newest(jobs).tags.keys()
    assert jobs.approve("ann", number).is_success
    assert objection(jobs) == ""
    assert "'rejected' without a reason" in jobs.approve("ann", number, "rejected").text
    assert objection(jobs) == "", "nothing came of it"
    comment = {"name": FAMILY, "version": str(number), "key": "approval.comment", "value": "it swears"}
    assert jobs.write("ann", "model-versions/set-tag", comment).is_success
    assert jobs.approve("ann", number, "rejected").is_success
    assert objection(jobs) == "the ledger has no approval of it"
    assert [one.content["because"] for one in rows(jobs, "void")][-2:] == ["taken back", "rejected: it swears"]
    assert newest(jobs).tags["approval.notice"] == "rejected: it swears"


def test_a_frozen_family_is_told_of_and_may_be_approved(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    ledger = open_ledger(jobs.settings)
    freeze_family(ledger, FAMILY, until=now() + timedelta(days=1), because="the fair", at=now())
    try:
        assert jobs.approve("ann", newest(jobs).number).is_success
        assert "approved is frozen until" in newest(jobs).tags["approval.notice"]
    finally:
        unfreeze_family(ledger, FAMILY, because="over", at=now())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("value", ["Approved", "approved ", "aproved", "declined", "yes", "", "true"])
def test_a_mistyped_answer_is_refused_and_names_the_words(people: People, value: str, door: str) -> None:
    model(people)
    before = open_ledger(people.settings).read()
    said = refusal(people.approve("ann", 1, value, door=door), 400)
    assert f"approval = {value!r}; it is 'approved' or 'rejected', spelled so" in said
    assert open_ledger(people.settings).read() == before


def model(people: People) -> None:
    """See to it that there is a version 1, made past the jobs: of a model that failed."""
    client = connect(people.settings)
    if list_versions(people.settings, FAMILY):
        return
    run = client.create_run(client.create_experiment("by hand"))
    client.log_text(run.info.run_id, "a report", "verdict/report.json")
    client.create_registered_model(FAMILY)
    tags = {"voxloop.verdict": "FAIL", "voxloop.model_digest": "f" * 64}
    client.create_model_version(FAMILY, f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["tim", "vic", SERVICE_ACCOUNT])
def test_only_an_approver_approves(people: People, name: str, door: str) -> None:
    model(people)
    assert f"{name} may not POST model-versions/set-tag" in refusal(people.approve(name, 1, door=door))


@pytest.mark.parametrize("door", DOORS)
def test_what_the_gate_failed_is_not_approved(people: People, door: str) -> None:
    model(people)
    fields = {"name": FAMILY, "source": "x", "run_id": "0" * 32, "tags": [{"key": "approval", "value": "approved"}]}
    for name in ("tim", "vic", "ann", SERVICE_ACCOUNT):
        assert "may not POST model-versions/create" in refusal(
            people.write(name, "model-versions/create", fields, door=door)
        )
    client = connect(people.settings)
    run = client.create_run("0")
    tags = {"voxloop.verdict": "FAIL", "voxloop.model_digest": "f" * 64}
    source = f"{run.info.artifact_uri}/model"
    made = client.create_model_version(FAMILY, source, run.info.run_id, tags=tags, await_creation_for=0)
    said = refusal(people.approve("ann", made.version, door=door))
    assert "cannot be approved: its verdict is FAIL; only a PASS is approved" in said
    tags["voxloop.verdict"] = "PASS"
    made = client.create_model_version(FAMILY, source, run.info.run_id, tags=tags, await_creation_for=0)
    assert "the ledger does not know it" in refusal(people.approve("ann", made.version, door=door))
    assert people.approve("ann", "999", door=door).status_code == 404


def test_who_trained_it_does_not_approve_it_under_whatever_client(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    number = newest(jobs).number
    for door in DOORS:
        said = refusal(jobs.approve("author", number, door=door))
        assert "it is the work of test@localhost; nobody approves what they trained; ask somebody else" in said
    fields = {"name": FAMILY, "version": str(number), "key": "approval", "value": "approved", "user_id": "ann"}
    assert "signed in as author" in refusal(jobs.write("author", "model-versions/set-tag", fields))
    assert objection(jobs) == "the ledger has no approval of it"


def test_who_asked_for_the_retraining_does_not_approve_what_came_of_it(jobs: People, tmp_path: Path) -> None:
    reason, ledger = Reason(FAMILY, ASKED, "new microphones"), open_ledger(jobs.settings)
    bound = {"arguments": {"task": FAMILY}, "data": None}
    claim(ledger, reason, bound=bound, because="they hiss", at=now(), asked_by=["Ann@Example.org"])
    register(tmp_path, retrain_id=reason.retrain_id)
    number = newest(jobs).number
    for door in DOORS:
        said = refusal(jobs.approve("ann", number, door=door))
        assert "it is the work of ann@example.org; nobody approves what they trained; ask somebody else" in said
    assert objection(jobs) == "the ledger has no approval of it"
    assert jobs.approve("bea", number).is_success
    assert objection(jobs) == ""


def test_what_was_registered_stays_as_it_was(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    version = newest(jobs)
    place = connect(jobs.settings).get_run(version.run_id).info.experiment_id
    for door in DOORS:
        path = f"{door}/2.0/mlflow-artifacts/artifacts/{place}/{version.run_id}/artifacts/verdict/verdict.json"
        before = jobs.ask("vic", "GET", path).content
        assert b'"verdict"' in before
        for name in ("tim", "vic", "ann", SERVICE_ACCOUNT):
            refusal(jobs.ask(name, "PUT", path, content=b"{}"))
        assert "what approved version" in refusal(jobs.ask(SERVICE_ACCOUNT, "PUT", path, content=b"{}"))
        assert jobs.ask("vic", "GET", path).content == before
        for name, act, method, fields in handmade(version):
            refusal(jobs.write(name, act, fields, method=method, door=door))
    assert newest(jobs).tags == version.tags


def handmade(version: ModelVersion) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return what people try by hand on a model, each by everybody who may not."""
    named: dict[str, Any] = {"name": FAMILY, "version": str(version.number)}
    tried: list[tuple[str, str, dict[str, Any]]] = [
        ("registered-models/alias", "POST", {**named, "alias": "champion"}),
        ("registered-models/alias", "DELETE", {"name": FAMILY, "alias": "challenger"}),
        ("registered-models/set-tag", "POST", {"name": FAMILY, "key": "voxloop.ledger_head", "value": "x"}),
        ("model-versions/set-tag", "POST", {**named, "key": "voxloop.promoted_at", "value": "x"}),
        ("model-versions/set-tag", "POST", {**named, "key": "approval.by", "value": "ann"}),
        ("model-versions/update", "PATCH", {**named, "description": "good"}),
        ("runs/set-tag", "POST", {"run_id": version.run_id, "key": "voxloop.verdict", "value": "PASS"}),
    ]
    everybody: list[tuple[str, str, dict[str, Any]]] = [
        ("registered-models/rename", "POST", {"name": FAMILY, "new_name": "other"}),
        ("registered-models/delete", "DELETE", {"name": FAMILY}),
        ("registered-models/update", "PATCH", {"name": FAMILY, "description": "x"}),
        ("model-versions/delete", "DELETE", named),
        ("model-versions/transition-stage", "POST", {**named, "stage": "Production"}),
        ("model-versions/set-tag", "POST", {**named, "key": "voxloop.verdict", "value": "PASS"}),
        ("model-versions/delete-tag", "DELETE", {**named, "key": "voxloop.verdict"}),
        ("runs/log-batch", "POST", {"run_id": version.run_id, "tags": [{"key": "a", "value": "b"}]}),
        ("runs/delete", "POST", {"run_id": version.run_id}),
    ]
    people = ("tim", "vic", "ann")
    return [(name, *act) for act in tried for name in people] + [
        (name, *act) for act in everybody for name in (*people, SERVICE_ACCOUNT)
    ]


def test_evidence_changed_in_the_database_is_not_approved_and_voids_an_approval(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    version = newest(jobs)
    right = version.tags["voxloop.evaluation_digest"]
    change_tag(jobs, "voxloop.evaluation_digest", "0" * 64)
    assert "its evaluation changed since it was registered" in refusal(jobs.approve("ann", version.number))
    change_tag(jobs, "voxloop.evaluation_digest", right)
    assert jobs.approve("ann", version.number).is_success
    assert objection(jobs) == ""
    change_tag(jobs, "voxloop.evaluation_digest", "0" * 64)
    assert "what it says of itself has changed since it was approved" in objection(jobs)


def test_a_tag_written_past_the_server_is_no_approval(jobs: People, tmp_path: Path) -> None:
    register(tmp_path)
    change_tag(jobs, "approval", "approved")
    assert newest(jobs).tags["approval"] == "approved"
    assert objection(jobs) == "the ledger has no approval of it"


def test_nobody_approves_what_came_from_code_without_an_author(
    jobs: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voxloop.store.revision.read_authors", lambda *_: ())
    register(tmp_path)
    assert "nobody can tell who trained it" in refusal(jobs.approve("ann", newest(jobs).number))


def test_the_card_an_approver_reads_is_the_one_that_was_judged(jobs: People, tmp_path: Path) -> None:
    page = "<!DOCTYPE html><p>a card</p><script>alert(1)</script>"
    register(tmp_path, card=page)
    version = newest(jobs)
    digest = version.tags["voxloop.card_digest"]
    address = f"voxloop/report/{digest}"
    assert httpx.get(f"{jobs.settings.mlflow_url}/{address}", trust_env=False).status_code == 401
    shown = jobs.ask("vic", "GET", address)
    assert shown.text == page
    assert shown.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert f"/{address}" in str(connect(jobs.settings).get_model_version(FAMILY, str(version.number)).description)
    assert "no model card 000000000000" in refusal(jobs.ask("ann", "GET", f"voxloop/report/{'0' * 64}"), 400)
    (kept,) = (jobs.settings.home / "mlflow" / "artifacts").rglob(f"{version.run_id}/artifacts/verdict/card.html")
    kept.write_text(page.replace("a card", "A card"))
    assert "its model card is not the one that was judged" in refusal(jobs.approve("ann", version.number))
    assert f"no model card {digest[:12]}" in refusal(jobs.ask("ann", "GET", address), 400)
    kept.unlink()
    assert "its model card is not the one that was judged" in refusal(jobs.approve("ann", version.number))
    assert objection(jobs) == "the ledger has no approval of it"
    kept.write_text(page)
    assert jobs.approve("ann", version.number).is_success
