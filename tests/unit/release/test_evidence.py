from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.services.pipeline_folders import PipelineFolders, write_acceptance, write_folders
from voxloop.data.acceptance import load_acceptance
from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.release.evidence import Evidence, flatten, read_evidence, require_consistent, require_same_data
from voxloop.release.note import write_note
from voxloop.release.registration import describe_version, require_pass
from voxloop.release.versions import NO_CARD, RETRAIN_ID
from voxloop.settings import Settings, get_settings
from voxloop.store.digests import digest_file
from voxloop.store.job_store import read_runner_key
from voxloop.store.revision import CodeRevision

CLEAN = CodeRevision("c" * 40, dirty=False)


@pytest.fixture
def folders(settings: Settings, tmp_path: Path) -> PipelineFolders:
    return write_folders(tmp_path / "made", task="emotion")


def read(folders: PipelineFolders, revision: CodeRevision = CLEAN) -> Evidence:
    kept = {
        "training": folders.weights,
        "model": folders.model,
        "data": folders.data,
        "evaluation": folders.evaluation,
        "verdict": folders.verdict,
    }
    return read_evidence("emotion", kept, revision, key())


def key() -> bytes:
    return read_runner_key(get_settings().runner_key_file)


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def describe(folders: PipelineFolders, tmp_path: Path, **changes: str) -> dict[str, str]:
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "run.json").write_text('{"run_id": "r1", "experiment": "emotion"}')
    tags = {**read(folders).tags, **changes}
    described = describe_version(
        "emotion", tmp_path / "run", folders.model, folders.evaluation, folders.verdict, lambda _: tags
    )
    return dict(described.tags)


def test_the_identity_follows_the_bytes_and_the_code(folders: PipelineFolders) -> None:
    first = read(folders).digest
    assert read(folders).digest == first
    assert read(folders, replace(CLEAN, dirty=True)).digest != first
    assert read(folders, replace(CLEAN, commit="d" * 40)).digest != first
    (folders.data / "data_report" / "report.json").write_text('{"verdict": "FAIL"}')
    assert read(folders).digest != first


def test_metrics_are_numbers_only(folders: PipelineFolders) -> None:
    training = folders.weights / "training.json"
    edit(
        training,
        history=[{"epoch": 0, "train_loss": float("nan"), "dev": {"uar": None, "wa": 0.5}, "seconds": 2, "best": True}],
    )
    named = {(metric.name, metric.step): metric.value for metric in read(folders).metrics}
    assert named[("training/seconds", 0)] == 2.0
    assert ("training/train_loss", 0) not in named
    assert ("training/dev_uar", 0) not in named
    assert named[("training/dev_wa", 0)] == 0.5
    assert ("training/best", 0) not in named
    assert named[("verdict/uar_low", 0)] == 0.6


@pytest.mark.parametrize(
    ("folder", "name", "changes", "message"),
    [
        ("verdict", "verdict.json", {"model_digest": "0" * 64}, "the verdict is about model"),
        ("verdict", "verdict.json", {"evaluation_digest": "0" * 64}, "the verdict is about evaluation"),
        ("evaluation", "evaluation.json", {"model_digest": "0" * 64}, "the evaluation is about model"),
        ("verdict", "verdict.json", {"model_digest": None}, "the verdict is about model"),
        ("model", "model.json", {"labels": []}, "the verdict is about model"),
    ],
)
def test_evidence_that_does_not_belong_together(
    folders: PipelineFolders, folder: str, name: str, changes: dict[str, Any], message: str
) -> None:
    edit(getattr(folders, folder) / name, **changes)
    with pytest.raises(IntegrityError, match=message):
        require_consistent(folders.model, folders.evaluation, folders.verdict)


def test_a_verdict_that_could_not_tell_may_name_no_model(folders: PipelineFolders) -> None:
    edit(folders.verdict / "verdict.json", verdict="CANNOT_TELL", model_digest=None)
    assert read(folders).tags["voxloop.verdict"] == "CANNOT_TELL"


@pytest.mark.parametrize("content", [None, "", "[]", "not json", "{}", '{"config": {}}'])
def test_a_folder_without_its_file_is_no_evidence(folders: PipelineFolders, content: str | None) -> None:
    path = folders.weights / "training.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=r"training\.json"):
        read(folders)


@pytest.mark.parametrize("verdict", ["FAIL", "CANNOT_TELL", "", None, "PASS "])
def test_only_pass_passes(folders: PipelineFolders, verdict: str | None) -> None:
    require_pass(folders.verdict)
    edit(folders.verdict / "verdict.json", verdict=verdict)
    with pytest.raises(RefusedError, match="only a PASS is registered"):
        require_pass(folders.verdict)


def test_a_version_names_everything_it_stands_on(folders: PipelineFolders, tmp_path: Path) -> None:
    tags = describe(folders, tmp_path)
    assert tags["voxloop.git_commit"] == "c" * 40
    assert tags["voxloop.data_digest"] == "d" * 64
    assert tags["voxloop.policy"] == "emotion@eeeeeeeeeeee"
    assert tags["voxloop.judged_against"] == "none"
    assert set(tags) == {
        "voxloop.model_digest",
        "voxloop.data_digest",
        "voxloop.evaluation_digest",
        "voxloop.verdict",
        "voxloop.card_digest",
        "voxloop.data_verdict",
        "voxloop.policy",
        "voxloop.git_commit",
        "voxloop.judged_against",
    }


def test_a_version_leads_back_to_the_retraining_of_its_run(folders: PipelineFolders, tmp_path: Path) -> None:
    tags = describe(folders, tmp_path, **{RETRAIN_ID: "retrain-1"})
    assert set(tags) - set(describe(folders, tmp_path)) == {RETRAIN_ID}
    assert tags[RETRAIN_ID] == "retrain-1"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"voxloop.data_verdict": "FAIL"}, RefusedError),
        ({"voxloop.data_verdict": ""}, RefusedError),
        ({"voxloop.git_dirty": "true"}, RefusedError),
        ({"voxloop.git_dirty": ""}, RefusedError),
        ({"voxloop.model_digest": "0" * 64}, IntegrityError),
        ({"voxloop.evaluation_digest": "0" * 64}, IntegrityError),
        ({"voxloop.verdict": "FAIL"}, IntegrityError),
    ],
)
def test_a_run_of_other_bytes_or_a_dirty_tree_gives_no_version(
    folders: PipelineFolders, tmp_path: Path, changes: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        describe(folders, tmp_path, **changes)


def test_an_evaluation_of_another_task_gives_no_version(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="for task 'asr'"):
        describe(write_folders(tmp_path / "made", task="asr"), tmp_path)


def test_the_note_tells_the_approver_why() -> None:
    judged = {
        "verdict": "PASS",
        "policy": {"name": "emotion"},
        "claim_text": "2 speakers stand behind this claim; it says nothing about new speakers",
        "bootstrap": {"because": "there was none"},
        "reasons": [{"verdict": "PASS", "text": "UAR 0.7"}],
    }
    note = write_note(judged, "f" * 64, "#/card")
    assert note.splitlines() == [
        "**PASS** under policy `emotion`: 2 speakers stand behind this claim; it says nothing about new speakers",
        "- first champion, without a comparison: there was none",
        "- PASS: UAR 0.7",
        "",
        f"Read the [model card](#/card), [as it was judged](/voxloop/report/{'f' * 64}), sha256 `{'f' * 64}`.",
    ]
    assert write_note(judged, NO_CARD).endswith("\n\nThere is no model card.")
    told = write_note(judged, "f" * 64, "#/card", "retrain-1")
    assert told == f"{note}\n\nMade for `retrain-1`: `voxloop explain retrain-1` says why."


class TestTheCard:
    def test_run_and_version_name_it_by_digest(self, folders: PipelineFolders, tmp_path: Path) -> None:
        assert read(folders).tags["voxloop.card_digest"] == "none"
        (folders.verdict / "card.html").write_text("<p>a card</p>")
        digest = digest_file(folders.verdict / "card.html")
        assert read(folders).tags["voxloop.card_digest"] == digest
        assert describe(folders, tmp_path)["voxloop.card_digest"] == digest
        assert f"sha256 `{digest}`" in read(folders).note

    def test_pages_are_those_that_are_there(self, folders: PipelineFolders) -> None:
        assert read(folders).pages == {
            "data docs": "data/data_report/data_docs/index.html",
            "verdict": "verdict/verdict.json",
        }
        (folders.verdict / "card.html").write_text("<p>a card</p>")
        assert next(iter(read(folders).pages.items())) == ("model card", "verdict/card.html")

    @pytest.mark.parametrize("name", ["card.html", "verdict.json"])
    def test_a_byte_of_the_verdict_that_was_changed_after_tracking_is_noticed(
        self, folders: PipelineFolders, tmp_path: Path, name: str
    ) -> None:
        (folders.verdict / "card.html").write_text("<p>a card</p>")
        tags = dict(read(folders).tags)
        describe(folders, tmp_path, **tags)
        path = folders.verdict / name
        path.write_text(path.read_text() + " ")
        with pytest.raises(IntegrityError, match=r"has voxloop\.verdict_digest"):
            describe(folders, tmp_path, **tags)


def test_nested_configuration_becomes_dotted_keys() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None, "f": "text", "g": True}) == {
        "a.b.c": "1",
        "a.d": "[1, 2]",
        "e": "null",
        "f": "text",
        "g": "true",
    }


@pytest.mark.parametrize("step", ["training", "evaluation"])
def test_another_dataset_than_the_accepted_one_is_no_evidence(folders: PipelineFolders, step: str) -> None:
    stated = {"training": {"dataset_digest": "d" * 64}, "evaluation": {"dataset_digest": "d" * 64}}
    accepted = load_acceptance(folders.data, key())
    require_same_data(accepted, "emotion", **stated)
    for other in ({}, {"dataset_digest": "e" * 64}):
        with pytest.raises(IntegrityError, match=f"the {step} is about dataset .*, accepted was dddddddddddd"):
            require_same_data(accepted, "emotion", **(stated | {step: other}))
    with pytest.raises(IntegrityError, match="accepted for task 'emotion', not 'asr'"):
        require_same_data(accepted, "asr", **stated)


def test_an_acceptance_that_was_edited_is_no_evidence(folders: PipelineFolders) -> None:
    write_acceptance(folders.data, "emotion", "FAIL")
    assert read(folders).tags["voxloop.data_verdict"] == "FAIL"
    edit(folders.data / "acceptance.json", verdict="PASS")
    with pytest.raises(IntegrityError, match="a seal this runner did not make"):
        read(folders)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"verdict": "PASS"}'])
def test_a_folder_without_an_acceptance_is_no_evidence(folders: PipelineFolders, content: str | None) -> None:
    path = folders.data / "acceptance.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(IntegrityError, match="holds no acceptance"):
        read(folders)
