"""Bad input to `voxloop validate`: one line that names the thing and the remedy, exit code 2, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.one_line import assert_one_line, run_voxloop


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--dataset", "NOWHERE"], "NOWHERE"),
        (["--dataset", "HERE"], "is not a dataset"),
        (["--dataset", "FILE"], "is not a dataset"),
        (["--dataset", "HERE", "--task", "emotions"], "did you mean 'emotion'"),
        (["--dataset", "HERE", "--task", "../emotion"], "is no name of a configuration"),
        (["--dataset", "HERE", "--previous", "NOWHERE"], "NOWHERE"),
        (["--dataset", "HERE", "--set", "duration.minimum=1"], "did you mean 'duration_s.minimum'"),
        (["--dataset", "HERE", "--set", "recorded_at.at=noon"], "recorded_at.at"),
        (["--dataset", "HERE", "--set", "previous.label_share=2"], "previous.label_share"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_validation_that_cannot_be(tmp_path: Path, words: list[str], named: str) -> None:
    (tmp_path / "FILE").write_text("hello", encoding="utf-8")
    (tmp_path / "here").mkdir()
    places = {"HERE": tmp_path / "here", "NOWHERE": tmp_path / "NOWHERE", "FILE": tmp_path / "FILE"}
    given = [str(places.get(word, word)) for word in words]
    assert_one_line(run_voxloop(tmp_path, "validate", *given, "--out", str(tmp_path / "o" / "x")), named)
    assert list(tmp_path.glob("o/*")) == []
    assert list(tmp_path.glob("o/.*")) == []
