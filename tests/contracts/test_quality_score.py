"""The judge of `benchmarks.quality`: a program that sees answers and references, and nothing of voxloop's models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from benchmarks.quality.score import score
from voxloop.evaluation.intervals import speaker_interval
from voxloop.evaluation.moments import agreement_moments, label_moments
from voxloop.evaluation.summed_measures import CCC, MACRO_F1, UAR
from voxloop.settings import get_settings
from voxloop.tasks.agreement import ccc, pearson

LABELS = ("anger", "fear", "sadness")


def make_files(kind: str, pairs: list[tuple[Any, Any]], speakers: int = 5) -> tuple[list[Any], list[Any]]:
    """Return answers and references of (wanted, found), dealt out to speakers and to two folds."""
    answers, references = [], []
    for number, (wanted, found) in enumerate(pairs):
        speaker = number % speakers
        who = {"utterance_id": str(number), "speaker_id": f"s{speaker}", "fold": f"f{speaker % 2}"}
        answers.append({**who, "answer": {kind: found, "confidence": 0.5}})
        references.append({**who, "reference": {kind: wanted}})
    return answers, references


def draw_labels(seed: int, count: int = 90) -> list[tuple[str, str]]:
    draw = np.random.default_rng(seed)
    wanted = [LABELS[number % 3] for number in range(count)]
    return [(label, label if draw.random() < 0.6 else str(draw.choice(LABELS))) for label in wanted]


def test_it_loads_no_network_and_prints_one_object(tmp_path: Path) -> None:
    rows = make_files("text", [("one two three", "one too three")])
    paths = [tmp_path / "answers.jsonl", tmp_path / "references.jsonl"]
    for path, lines in zip(paths, rows, strict=True):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    program = (
        "import sys, benchmarks.quality.score as judge\n"
        "assert judge.main(sys.argv[1:]) == 0\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('torch', 'voxloop')))"
    )
    root = get_settings().project_root
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)], cwd=root, capture_output=True, text=True, check=True
    )
    said, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert json.loads(said)["all"]["wer"]["value"] == pytest.approx(1 / 3)


def test_error_rates_are_jiwers() -> None:
    pairs = [
        ("one two three", "one too"),
        ("four", "four five"),
        ("six seven", "six seven"),
        ("eight", ""),
        ("a b", "b"),
    ]
    found = score(*make_files("text", pairs))
    wanted, said = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert found["all"]["wer"]["value"] == pytest.approx(jiwer.wer(wanted, said))
    assert found["all"]["cer"]["value"] == pytest.approx(jiwer.cer(wanted, said))


def test_recalls_are_scikit_learns_and_their_interval_is_voxloops() -> None:
    pairs = draw_labels(0)
    found = score(*make_files("emotion", pairs))["all"]
    wanted, said = ([pair[side] for pair in pairs] for side in (0, 1))
    assert found["uar"]["value"] == pytest.approx(balanced_accuracy_score(wanted, said))
    assert found["macro_f1"]["value"] == pytest.approx(f1_score(wanted, said, average="macro"))
    codes, answers = (np.array([LABELS.index(one) for one in names]) for names in (wanted, said))
    moments, speakers = label_moments(codes, answers, len(LABELS)), np.arange(len(pairs)) % 5
    for measure in (UAR, MACRO_F1):
        interval = speaker_interval(moments, measure, speakers, level=0.95)
        ends = [found[measure.name][end] for end in ("low", "high")]
        assert ends == pytest.approx([interval.low, interval.high])
    assert found["uar"]["over"] == "speakers"


def test_agreement_is_over_speakers_means() -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(4, 1, (40, 2))
    pairs = [({"openness": one}, {"openness": 0.5 * one + other}) for one, other in values.tolist()]
    found = score(*make_files("traits", pairs, speakers=10))["all"]
    wanted, said = (
        np.array([np.mean([pair[side]["openness"] for pair in pairs[speaker::10]]) for speaker in range(10)])
        for side in (0, 1)
    )
    assert found["ccc"]["value"] == pytest.approx(ccc(wanted, said))
    assert found["r_openness"]["value"] == pytest.approx(pearson(wanted, said))
    interval = speaker_interval(agreement_moments(wanted, said), CCC, np.arange(10), level=0.95)
    assert [found["ccc"][end] for end in ("low", "high")] == pytest.approx([interval.low, interval.high])
    constant = score(*make_files("traits", [(one, {"openness": 4.0}) for one, _ in pairs], speakers=10))["all"]
    assert constant["ccc"]["value"] == constant["r"]["value"] == 0.0


def test_few_speakers_give_no_interval_and_folds_are_named() -> None:
    found = score(*make_files("emotion", draw_labels(2), speakers=2))
    assert found["all"]["uar"]["low"] is None
    assert sorted(found["folds"]) == ["f0", "f1"]
    both = [found["folds"][name]["uar"] for name in ("f0", "f1")]
    assert found["mean_of_folds"]["uar"]["value"] == pytest.approx(np.mean(both))


def test_an_answer_too_many_or_too_few_is_refused() -> None:
    answers, references = make_files("emotion", draw_labels(3, 9))
    for given_answers, given_references in (
        (answers[1:], references),
        (answers, references[1:]),
        ([*answers, answers[0]], references),
        ([], []),
    ):
        with pytest.raises(ValueError, match="differ|twice|nothing"):
            score(given_answers, given_references)


@given(st.permutations(range(30)), st.permutations(range(30)))
def test_the_order_of_rows_does_not_matter(one: list[int], other: list[int]) -> None:
    answers, references = make_files("emotion", draw_labels(4, 30))
    whole = score(answers, references)
    shuffled = score([answers[place] for place in one], [references[place] for place in other])
    for name, value in whole["all"].items():
        assert shuffled["all"][name]["value"] == pytest.approx(value["value"])
        assert shuffled["all"][name]["high"] == pytest.approx(value["high"])
