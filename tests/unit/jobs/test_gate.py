"""The gate job under the shipped policies: what it writes, prints and returns."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.unit.evaluation.cases import make_answers, write_evaluation
from tests.unit.evaluation.changed_cases import write_unmoved
from tests.unit.evaluation.tiny_models import LABELS, level_of, write_model
from tests.unit.jobs.datasets import make_level_rows, write_dataset
from tests.unit.ledger.books import AT, SetOfSpeech
from voxloop.errors import ConfigError, InputError, IntegrityError
from voxloop.evaluation.answers import ANSWERS_SCHEMA
from voxloop.jobs.evaluate import evaluate
from voxloop.jobs.gate import gate
from voxloop.ledger.acts import record_fresh_set, record_refrozen_set
from voxloop.ledger.book import open_ledger
from voxloop.release.claims import close_claim, flip, take_claim
from voxloop.release.versions import MODEL_DIGEST, ModelVersion
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree

pytestmark = pytest.mark.usefixtures("home")


def read(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "verdict.json").read_text())
    return content


def test_a_pass_is_written_printed_and_returned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_unmoved(write_evaluation(tmp_path / "evaluation", make_answers()))
    assert gate(folder, tmp_path / "out") == "PASS"
    found = read(tmp_path / "out")
    assert found["verdict"] == (tmp_path / "out" / "verdict.txt").read_text() == "PASS"
    assert found["evaluation_digest"] == digest_tree(folder)
    assert (found["model_digest"], found["claim"]) == ("a" * 64, "new speakers")
    printed = capsys.readouterr().out
    assert "verdict PASS under policy emotion: 10 speakers stand behind this claim" in printed
    assert printed.count("\n") == 1 + len(found["reasons"])


def test_two_speakers_pass_under_a_policy_that_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers(speakers=2, repeats=30))
    assert gate(folder, tmp_path / "strict") == "CANNOT_TELL"
    assert gate(folder, tmp_path / "honest", policy="emotion-nemo") == "PASS"
    assert "2 speakers stand behind this claim; it says nothing about new speakers" in capsys.readouterr().out


def test_a_worse_model_fails(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers(challenger=0.6, champion=0.97))
    assert gate(folder, tmp_path / "out") == "FAIL"


def test_an_empty_evaluation_cannot_tell(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "evaluation", ANSWERS_SCHEMA.empty_table())
    assert gate(folder, tmp_path / "out") == "CANNOT_TELL"
    assert read(tmp_path / "out")["interval"] is None


def test_an_empty_folder_cannot_tell(tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    assert gate(tmp_path / "evaluation", tmp_path / "out") == "CANNOT_TELL"


def test_a_first_champion_is_appointed_for_a_reason(tmp_path: Path) -> None:
    folder = write_unmoved(
        write_evaluation(tmp_path / "evaluation", make_answers(champion=None), champion=None, ever=False)
    )
    assert gate(folder, tmp_path / "without") == "CANNOT_TELL"
    assert gate(folder, tmp_path / "with", bootstrap=True, because="the first") == "PASS"
    assert read(tmp_path / "with")["bootstrap"] == {"because": "the first"}


@pytest.mark.parametrize("because", ["", "  "])
def test_a_bootstrap_without_a_reason_is_refused(tmp_path: Path, because: str) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers(champion=None), champion=None, ever=False)
    with pytest.raises(InputError, match="--because"):
        gate(folder, tmp_path / "out", bootstrap=True, because=because)
    assert not (tmp_path / "out").exists()


def test_a_changed_policy_is_named_in_the_verdict(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers())
    gate(folder, tmp_path / "out", overrides=("measures.uar.limit=0.999",))
    gate(folder, tmp_path / "shipped")
    changed, shipped = read(tmp_path / "out"), read(tmp_path / "shipped")
    assert changed["verdict"] == "FAIL"
    assert changed["policy"]["name"] == "emotion --set measures.uar.limit=0.999"
    assert changed["policy"]["digest"] != shipped["policy"]["digest"]


@pytest.mark.parametrize("told", [{"changes": None}, None])
def test_an_evaluation_that_asked_anything_else_cannot_tell(tmp_path: Path, told: dict[str, Any] | None) -> None:
    folder = write_unmoved(write_evaluation(tmp_path / "evaluation", make_answers()))
    report = json.loads((folder / "evaluation.json").read_text())
    changed = None if told is None else report["configuration"] | told
    (folder / "evaluation.json").write_text(json.dumps(report | {"configuration": changed}))
    assert gate(folder, tmp_path / "out") == "CANNOT_TELL"
    objections = [one for one in read(tmp_path / "out")["reasons"] if one["verdict"] != "PASS"]
    assert {one["rule"] for one in objections} == {"configuration"}
    assert "evaluate again with configs/evaluation/emotion.yaml" in objections[0]["text"]


@pytest.mark.parametrize("task", ["emotion", "asr", "personality"])
def test_a_family_is_held_against_its_own_policy(tmp_path: Path, task: str) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers())
    gate(folder, tmp_path / "out", task=task)
    assert read(tmp_path / "out")["policy"]["name"] == task


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers())
    with pytest.raises(ConfigError, match="emotion-nemo"):
        gate(folder, tmp_path / "out", policy="emotion-neno")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="evaluate first"):
        gate(tmp_path / "nowhere", tmp_path / "out")


def test_what_was_said_is_in_the_ledger_once(tmp_path: Path, settings: Settings) -> None:
    folder = write_unmoved(write_evaluation(tmp_path / "evaluation", make_answers()))
    for name in ("one", "again"):
        gate(folder, tmp_path / name)
    gate(folder, tmp_path / "stricter", overrides=("measures.uar.limit=0.999",))
    first, second = open_ledger(settings).verify()
    assert (first.kind, first.task, first.subject) == ("judgement", "emotion", "a" * 64)
    assert (first.content["verdict"], second.content["verdict"]) == ("PASS", "FAIL")
    assert first.content["evaluation"] == digest_tree(folder)
    assert first.content["policy"] == read(tmp_path / "one")["policy"]
    said = {(one["rule"], one["evaluation_set"], one["slice"]): one["verdict"] for one in first.content["reasons"]}
    assert said["comparison", "test", "all"] == "PASS"
    assert not any("text" in one for one in first.content["reasons"]), "words may name an utterance"
    shown = read(tmp_path / "one")["intervals"]["challenger"]
    assert first.content["measured"] == {**shown, "evaluation_set": "test", "spelling": {}}
    assert shown["low"] < shown["estimate"] < shown["high"]


def test_a_first_champion_is_an_entry_with_its_reason(tmp_path: Path, settings: Settings) -> None:
    folder = write_unmoved(
        write_evaluation(tmp_path / "evaluation", make_answers(champion=None), champion=None, ever=False)
    )
    gate(folder, tmp_path / "out", bootstrap=True, because="nothing is served yet")
    bootstrap, judgement = open_ledger(settings).verify()
    assert (bootstrap.kind, bootstrap.subject) == ("bootstrap", "a" * 64)
    user = pwd.getpwuid(os.getuid()).pw_name
    assert bootstrap.content == {"because": "nothing is served yet", "by": user, "user": user}
    assert judgement.content["verdict"] == "PASS"


def test_the_worst_utterances_are_heard_where_somebody_asks(tmp_path: Path, settings: Settings) -> None:
    rows = make_level_rows({label: level_of(label) for label in LABELS}, ["s1", "s2"], repeats=1)
    nobody = tmp_path / "champion"
    nobody.mkdir()
    (nobody / "champion.json").write_text('{"version":null,"model_digest":null,"ever":false}')
    wrong = write_model(tmp_path / "model", heard=LABELS[::-1])
    dataset, other = write_dataset(tmp_path / "dataset", rows), write_dataset(tmp_path / "other", rows[:-1])
    folder = evaluate(wrong, dataset, nobody, tmp_path / "evaluation")
    for name, where, players in (("silent", dataset, 0), ("heard", dataset, 2), ("of another", other, 2)):
        gate(folder, tmp_path / name, dataset=where, players=players)
    assert "<audio" not in (tmp_path / "silent" / "card.html").read_text()
    assert (tmp_path / "heard" / "card.html").read_text().count("<audio") == 2
    assert not (tmp_path / "of another" / "card.html").exists(), "a card that cannot be made leaves the verdict alone"
    assert (tmp_path / "of another" / "verdict.json").exists()
    with pytest.raises(InputError, match="--players 2 without --dataset"):
        gate(folder, tmp_path / "refused", players=2)


def test_the_ledger_remembers_a_champion_that_a_hand_made_file_denies(tmp_path: Path, settings: Settings) -> None:
    """champion.json says that none ever was; the ledger has its promotion."""
    rows = make_level_rows({label: level_of(label) for label in LABELS}, ["s1", "s2"], repeats=1)
    denied = tmp_path / "champion"
    denied.mkdir()
    (denied / "champion.json").write_text('{"version":null,"model_digest":null,"ever":false}')
    dataset, model = write_dataset(tmp_path / "dataset", rows), write_model(tmp_path / "model")
    folder = evaluate(model, dataset, denied, tmp_path / "evaluation")
    easy = ("minimum_utterances=1", "minimum_per_label=1")
    word = {"bootstrap": True, "because": "there was none"}
    gate(folder, tmp_path / "before", overrides=easy, **word)  # type: ignore[arg-type]
    version = ModelVersion("emotion", 1, "run-1", {MODEL_DIGEST: "c" * 64})
    ledger = open_ledger(settings)
    claim = take_claim(ledger, version, replaces=None, place="here", at=AT)
    flip(ledger, claim, at=AT)
    close_claim(ledger, claim, at=AT)
    assert gate(folder, tmp_path / "after", overrides=easy, **word) == "CANNOT_TELL"  # type: ignore[arg-type]
    said = [{one["rule"]: one["verdict"] for one in read(tmp_path / name)["reasons"]} for name in ("before", "after")]
    assert [one["bootstrap"] for one in said] == ["PASS", "CANNOT_TELL"]


def test_a_first_champion_that_is_too_bad_is_none(tmp_path: Path, settings: Settings) -> None:
    table = make_answers(challenger=0.2, champion=None)
    folder = write_evaluation(tmp_path / "evaluation", table, champion=None, ever=False)
    assert gate(folder, tmp_path / "out", bootstrap=True, because="nothing is served yet") == "FAIL"
    assert [entry.kind for entry in open_ledger(settings).verify()] == ["judgement"]


def test_nothing_is_said_that_cannot_be_written_down(tmp_path: Path, settings: Settings) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers())
    gate(folder, tmp_path / "first")
    (settings.ledger / "head.json").unlink()
    with pytest.raises(IntegrityError):
        gate(folder, tmp_path / "second", overrides=("version=9",))
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("of", "verdict"),
    [
        (SetOfSpeech(), "CANNOT_TELL"),
        (SetOfSpeech(looks="free"), "PASS"),
        (SetOfSpeech(task="asr"), "PASS"),
    ],
)
def test_a_frozen_set_that_is_gone_takes_no_verdict_with_it(
    tmp_path: Path, settings: Settings, of: SetOfSpeech, verdict: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folder was removed, or --sets named another: the evaluation is of the test split alone."""
    record_fresh_set(open_ledger(settings), of, at=AT)
    folder = write_unmoved(write_evaluation(tmp_path / "evaluation", make_answers()))
    assert gate(folder, tmp_path / "out") == verdict
    said = "evaluation set home-2026-11-20 (dddddddddddd), and it was not evaluated: restore it"
    assert (said in capsys.readouterr().out) is (verdict == "CANNOT_TELL")


def test_a_set_is_known_as_it_was_frozen_last(tmp_path: Path, settings: Settings) -> None:
    """The evaluation is of the digest e…: first nobody knows that one, then an erasure has made it of d…."""
    ledger = open_ledger(settings)
    record_fresh_set(ledger, SetOfSpeech(), at=AT)
    folder = write_evaluation(tmp_path / "evaluation", make_answers(evaluation_set="home-2026-11-20"))
    folder = write_unmoved(folder)
    assert gate(folder, tmp_path / "before") == "CANNOT_TELL"
    assert [one["rule"] for one in read(tmp_path / "before")["reasons"] if one["verdict"] != "PASS"] == ["sets"]
    record_refrozen_set(ledger, SetOfSpeech(digest="e" * 64), supersedes="d" * 64, at=AT)
    assert gate(folder, tmp_path / "after") == "PASS"
