"""The benchmark of the gate on real corpora: what it takes, that each step is done once, and what it says at the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import real_gate
from benchmarks.real_gate import PLANS, Plan, appoint, as_lines, judge_corpus, measure, summarise
from tests.unit.evaluation.tiny_models import LABELS, write_model
from tests.unit.training.tones import tone_rows, write_tones
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.errors import InputError
from voxloop.evaluation.policy import GatePolicy
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree
from voxloop.tasks import get_task


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[str]:
    """Take the trainings away: in their place stand the names of the steps that were done."""
    done: list[str] = []
    monkeypatch.setattr(real_gate, "replace_settings", lambda _values: settings)

    def copy_tones(_data: Path, *, out: Path, **_how: object) -> None:
        done.append(f"ingest {out.name}")
        write_tones(out, [row for row in tone_rows() if row["emotion"] in LABELS])

    def fake_train(_dataset: Path, out: Path, *, overrides: tuple[str, ...], **_how: object) -> None:
        done.append(f"train {next(one for one in overrides if one.startswith('epochs'))}")
        out.mkdir()

    def fake_export(weights: Path, out: Path) -> None:
        done.append(f"export {out.name}")
        heard = LABELS if weights.name.endswith("challenger") else (*LABELS[1:], LABELS[0])
        write_model(out, heard=heard)

    for name, fake in (("ingest", copy_tones), ("train", fake_train), ("export", fake_export)):
        monkeypatch.setattr(real_gate, name, fake)
    return done


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_one_that_corpus_and_family_take(name: str) -> None:
    plan = PLANS[name]
    load_config(get_task(plan.task).Config, find_config("tasks", plan.task, real_gate.RECIPE), plan.recipe)
    for changes in (plan.learnt, plan.tested or ()):
        load_config(find_corpus(name).config_model, find_config("corpora", name), changes)
    assert plan.epochs["champion"] < plan.epochs["challenger"]


@pytest.mark.parametrize(
    ("corpora", "told"),
    [
        ((), "0 corpora"),
        (("ravdess",), "'ravdess' names no corpus"),
        (("chess=folder",), "corpus 'chess'"),
        (("nemo=one", "nemo=other"), "2 corpora, 1 different"),
    ],
)
def test_what_names_no_corpus_is_refused(corpora: tuple[str, ...], told: str, kept: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        measure(*corpora, out=tmp_path / "out")
    assert kept == []


def test_a_corpus_goes_from_folder_to_verdict_and_card_once(
    kept: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure(f"nemo={tmp_path}", out=tmp_path / "out")
    assert kept == [
        *("ingest data", "train epochs=5", "export model-champion", "train epochs=20", "export model-challenger"),
    ]
    folder = tmp_path / "out" / "nemo"
    assert (folder / "card" / "card.html").is_file()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    (found,) = last["corpora"]
    assert (found["corpus"], found["verdict"]) == ("nemo", (folder / "gate" / "verdict.txt").read_text())
    assert found["verdict"] == "CANNOT_TELL" or found["reasons"]["FAIL"]
    assert sum(found["reasons"].values()) - found["reasons"]["PASS"] == len(found["objections"]) > 0
    assert found["challenger"]["measure"] == found["champion"]["measure"] == "uar"
    before = digest_tree(folder)
    measure(f"nemo={tmp_path}", out=tmp_path / "out")
    assert len(kept) == 5
    assert digest_tree(folder) == before
    with pytest.raises(InputError, match="another corpus folder"):
        measure(f"nemo={tmp_path / 'other'}", out=tmp_path / "out")


def test_a_corpus_whose_parts_share_their_speakers_is_tested_on_a_dataset_of_its_own(
    kept: list[str], tmp_path: Path
) -> None:
    plan = Plan("emotion", {"champion": 1, "challenger": 2}, tested=())
    judge_corpus("fsdd", tmp_path, plan, tmp_path / "fsdd")
    assert kept[:2] == ["ingest data", "ingest test"]
    lines = as_lines(summarise("fsdd", tmp_path / "fsdd"))
    assert lines[0].startswith("fsdd (emotion): ")
    assert lines[1].startswith("  challenger: uar ")


def test_a_champion_is_what_fetch_champion_would_have_written(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    appoint(model, tmp_path / "champion")
    known = json.loads((tmp_path / "champion" / "champion.json").read_text())
    assert known == {"version": 1, "model_digest": digest_tree(tmp_path / "champion" / "model"), "ever": True}


def test_the_six_speakers_are_fewer_than_the_shipped_policy_asks_for() -> None:
    policy = load_config(GatePolicy, find_config("gates", "asr"))
    assert len(real_gate.SPEAKERS) < policy.minimum_speakers


def test_whom_training_stops_by_is_of_the_shipped_splits() -> None:
    config = load_config(find_corpus("fsdd").config_model, find_config("corpora", "fsdd"))
    assert config.split.table is not None
    assert config.split.table[real_gate.DEV] == "dev"
    assert sorted(config.split.table) == sorted(real_gate.SPEAKERS)
