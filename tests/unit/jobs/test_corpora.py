from __future__ import annotations

import subprocess
import sys

import pytest

from voxloop.cli import run_command
from voxloop.data.corpora import CORPORA, find_corpus
from voxloop.errors import CorpusError
from voxloop.jobs.corpora import corpora


def test_the_table_names_every_corpus_with_its_terms_and_layout(capsys: pytest.CaptureFixture[str]) -> None:
    corpora()
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    for name in CORPORA:
        reader = find_corpus(name)
        (line,) = [line for line in lines if line.split(" ")[0] == name]
        assert reader.licence in line
        assert ", ".join(reader.tasks) in line
        assert f"    {reader.layout}" in lines


@pytest.mark.parametrize("name", CORPORA)
def test_one_corpus_is_told_with_its_command_and_every_key(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    corpora(name)
    printed = capsys.readouterr().out
    assert f"voxloop ingest --corpus {name}" in printed
    assert ("FOLDER" in printed) == (find_corpus(name).locate is not None)
    assert ("parallel:" in printed) == find_corpus(name).parallel_texts
    for field in find_corpus(name).config_model.model_fields:
        assert f"  {field}" in printed


def test_the_values_are_those_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    corpora("fsdd")
    printed = capsys.readouterr().out
    assert "  audio.min_seconds = 0.1" in printed
    assert "  split.table = {'george': 'test'" in printed
    assert "  official_test_takes = 5" in printed


def test_a_corpus_there_is_not_names_those_there_are_and_the_nearest() -> None:
    with pytest.raises(CorpusError, match=r"no corpus 'ravdes'; the corpora are commonvoice.*did you mean 'ravdess'\?"):
        corpora("ravdes")


def test_a_wrong_name_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["corpora", "zzz"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("voxloop: no corpus 'zzz'; the corpora are ")
    assert printed.err.count("\n") == 1


def test_looking_at_the_table_loads_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "lightning", "kfp", "mlflow", "airflow", "feast", "great_expectations", "dvc", "scipy"}
    script = f"import sys; from voxloop.cli import run_command; run_command(['corpora']); print({heavy} & {{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
