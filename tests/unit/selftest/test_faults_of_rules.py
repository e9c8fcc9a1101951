"""A model that is wrong about the requests of one rule alone: about those, and about no others."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from benchmarks.evaluation import speak_utterances, write_model
from voxloop.config import find_config, load_config
from voxloop.errors import VoxloopError
from voxloop.evaluation.behaviour import CLEAN
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.bench import Bench, Pair, ask_model
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.faults_of_rules import (
    few_of_a_label,
    few_rows,
    few_speakers_of_a_group,
    few_utterances_of_a_group,
    hangs_on_neighbours,
    no_number_when_loud,
    wrong_under,
)
from voxloop.selftest.kept_changes import KeptChanges
from voxloop.selftest.trial import make_scoring
from voxloop.speech.waveform import to_int16

pytestmark = pytest.mark.slow  # twelve utterances under fifteen conditions, codecs among them: half a minute

UTTERANCES = 12
FAMILIES = ("asr", "emotion")


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bench]:
    """A bench with an untrained network, and utterances that the gate sees."""
    pairs = speak_utterances()[:UTTERANCES]
    found, kept = {}, KeptChanges()
    for task in FAMILIES:
        folder = tmp_path_factory.mktemp(task)
        config = load_config(SelfTestConfig, find_config("selftest", task))
        bench = Bench(task, 1, config, load_config(GatePolicy, find_config("gates", task)), folder, changes=kept)
        write_model(task, pairs, bench.model)
        bench.__dict__["gate_rows"] = tuple(pairs)
        found[task] = bench
    return found


def change(bench: Bench, name: str) -> tuple[Pair, ...]:
    changes = make_scoring(bench).changes
    assert changes is not None
    if name == CLEAN:
        return bench.gate_rows
    return tuple(
        bench.changes(dict(row), x, name, changes.conditions[name], changes.seed) for row, x in bench.gate_rows
    )


@pytest.mark.parametrize("task", FAMILIES)
@pytest.mark.parametrize(
    "name",
    ["telephone", "1 dB louder", "noise 60 dB below", CLEAN],
)
def test_it_is_wrong_about_the_changed_rows_and_no_others(
    task: str, name: str, benches: dict[str, Bench], tmp_path: Path
) -> None:
    bench = benches[task]
    changes = make_scoring(bench).changes
    assert changes is not None
    made = wrong_under(changes, name, bench, tmp_path)
    assert (made.rows, made.is_reason) == (bench.gate_rows, False)
    for where in (name, "clipped", *([] if name == CLEAN else [CLEAN])):
        rows = change(bench, where)
        before, behind = ask_model(bench, bench.model, rows), ask_model(bench, made.model, rows)
        differ = [one != other for one, other in zip(before, behind, strict=True)]
        # An untrained recogniser may write nothing as it is.
        wanted = [where == name and (task != "asr" or name == CLEAN or bool(one["text"])) for one in before]
        if task == "asr":
            differ = [one["text"] != other["text"] for one, other in zip(before, behind, strict=True)]
        assert differ == wanted, where


def test_what_no_request_shows_cannot_be_wrong(benches: dict[str, Bench], tmp_path: Path) -> None:
    bench = benches["emotion"]
    changes = make_scoring(bench).changes
    assert changes is not None
    with pytest.raises(VoxloopError, match="beside others changes no request"):
        wrong_under(changes, "beside others", bench, tmp_path)


@pytest.mark.parametrize("task", FAMILIES)
def test_it_gives_no_number_for_the_first_loud_request_alone(
    task: str, benches: dict[str, Bench], tmp_path: Path
) -> None:
    model = ExportedModel(no_number_when_loud(benches[task], tmp_path).model, threads=1)
    answers = model.answer(list(model.task.golden_inputs(model.encoding, (0.5, 1.5, 3.0))), batch=1)
    assert [one is None for one in answers] == [True, False, False]
    assert None not in ask_model(benches[task], tmp_path / "model", benches[task].gate_rows)


def test_an_answer_hangs_on_who_stands_beside(benches: dict[str, Bench], tmp_path: Path) -> None:
    bench = benches["emotion"]
    made = ExportedModel(hangs_on_neighbours(bench, tmp_path).model, threads=1)
    sound = ExportedModel(bench.model, threads=1)
    sounds = [(row, to_int16(x)) for row, x in bench.gate_rows if x is not None]
    requests = [made.task.make_request(row, x, made.encoding) for row, x in sounds]
    one, other = (model.answer(requests, batch=len(requests)) for model in (made, sound))
    assert sum(mine != theirs for mine, theirs in zip(one, other, strict=True)) == 1


def test_the_thin_part_is_as_thin_as_it_is_asked_to_be(benches: dict[str, Bench], tmp_path: Path) -> None:
    bench = benches["emotion"]
    women = [row for row, _ in bench.gate_rows if row["gender"] == "female"]
    men = len(bench.gate_rows) - len(women)
    assert len(few_rows(5, bench, tmp_path).rows) == 5
    label = str(women[0]["emotion"])
    for make, count in (
        (partial(few_utterances_of_a_group, 3), 3),
        (partial(few_of_a_label, 0, label), sum(row["emotion"] != label for row in women)),
    ):
        kept = [row for row, _ in make(bench, tmp_path).rows]
        assert (len([row for row in kept if row["gender"] == "female"]), len(kept)) == (count, men + count)
    heard = {
        row["speaker_id"] for row, _ in few_speakers_of_a_group(1, bench, tmp_path).rows if row["gender"] == "female"
    }
    assert len(heard) == 1
