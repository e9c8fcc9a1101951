"""Bad input to `leakage` and `evalset`, as a user meets it: one line, exit code 2, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.one_line import assert_one_line, run_voxloop
from tests.unit.data.leak_datasets import make_rows, write_rows

CUT = ["evalset", "cut", "--from", "DATA", "--domain", "home", "--date", "2026-11-20"]


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["leakage", "NOWHERE", "OUT"], "NOWHERE"),
        (["leakage", "EMPTY", "OUT"], "is not a dataset"),
        (["leakage", "TEXT", "OUT"], "is not a dataset"),
        (["leakage", "DATA", "OUT", "--task", "emotoin"], "did you mean 'emotion'"),
        (["leakage", "DATA", "OUT", "--sets", "NOWHERE"], "NOWHERE"),
        (["leakage", "DATA", "OUT", "--set", "listed_pair=3"], "did you mean 'listed_pairs'"),
        (["leakage", "DATA", "OUT", "--set", "fingerprint.long_error=0.7"], "fingerprint.long_error"),
        (["leakage", "DATA", "DATA"], "already holds something"),
        (["leakage", "DATA"], "--out"),
        ([*CUT, "--from", "NOWHERE"], "NOWHERE"),
        ([*CUT, "--date", "20.11.2026"], "YYYY-MM-DD"),
        ([*CUT, "--date", "2026-02-30"], "YYYY-MM-DD"),
        ([*CUT, "--domain", "../home"], "no name of a domain"),
        ([*CUT, "--task", "emotoin"], "did you mean 'emotion'"),
        ([*CUT, "--split", "train"], "train"),
        ([*CUT, "--by", "row"], "row"),
        ([*CUT, "--trained", "NOWHERE"], "NOWHERE"),
        ([*CUT, "--from", "TRAIN"], "no utterance in its split test"),
        (["evalset", "cut", "--domain", "home", "--date", "2026-11-20"], "--from"),
        (["evalset", "list", "--task", "emotoin"], "did you mean 'emotion'"),
        (["evalset", "verify", "--task", "emotoin"], "did you mean 'emotion'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_one_line_and_nothing_written(tmp_path: Path, command: list[str], named: str) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "TEXT").write_text("not a dataset", encoding="utf-8")
    write_rows(tmp_path / "DATA", make_rows(repeats=1))
    write_rows(tmp_path / "TRAIN", make_rows({"train": ("t1",)}, repeats=1))
    places = {"OUT": "o/x"} | {name: name for name in ("NOWHERE", "EMPTY", "TEXT", "DATA", "TRAIN")}
    words = [str(tmp_path / places[word]) if word in places else word for word in _last_of_each(command)]
    assert_one_line(run_voxloop(tmp_path, *words), named)
    assert list(tmp_path.glob("o/*")) == []
    assert not (tmp_path / "home" / "evaluation_sets").exists()


def _last_of_each(command: list[str]) -> list[str]:
    """Return the command with every option once, as it was given last."""
    words, options = [], {}
    walk = iter(command)
    for word in walk:
        if word.startswith("--"):
            options[word] = next(walk)
        else:
            words.append(word)
    return [*words, *(part for option in options.items() for part in option)]
