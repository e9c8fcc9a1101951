"""The notebooks: committed without outputs, and every one runs from top to bottom against a real MLflow server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from voxloop.adapters.mlflow import connect

if TYPE_CHECKING:
    from voxloop.settings import Settings

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ALL = sorted(NOTEBOOKS.glob("*.ipynb"))

TINY = {
    "01_first_experiment.ipynb": """
corpus_changes = ("world.home.speakers=12", "world.utterances_per_speaker=6")
config = "smoke"
variants = {
    "one epoch": ("epochs=1",),
    "one epoch, smaller steps": ("epochs=1", "optimiser.learning_rate=1.0e-4"),
}
""",
}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_a_committed_notebook_has_no_output(path: Path) -> None:
    stripped = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", str(path)], capture_output=True, text=True, check=False
    )
    assert stripped.returncode == 0, stripped.stdout + stripped.stderr
    for cell in read(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_a_notebook_holds_no_logic(path: Path) -> None:
    source = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    for word in ("def ", "class ", "if ", "while ", "lambda", "try:"):
        assert not [line for line in source.splitlines() if line.strip().startswith(word)], word


def test_every_notebook_has_a_small_size() -> None:
    assert sorted(TINY) == [path.name for path in ALL]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def find_cell(notebook: Any, tag: str) -> Any:
    (cell,) = [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]
    return cell


def execute(path: Path, folder: Path) -> Any:
    """Run a notebook with its parameters cell replaced by the small one."""
    notebook = read(path)
    find_cell(notebook, "parameters").source = TINY[path.name]
    client = NotebookClient(
        notebook,
        timeout=420,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


@pytest.mark.slow
def test_the_first_experiment_compares_its_runs(
    mlflow_server: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TMPDIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):  # what the kernel writes goes with the test
        monkeypatch.setenv(variable, str(tmp_path))
    notebook = execute(NOTEBOOKS / "01_first_experiment.ipynb", tmp_path)
    client = connect(mlflow_server)
    experiment = client.get_experiment_by_name("emotion")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.params["optimiser.learning_rate"] for run in runs} == {"0.003", "0.0001"}
    table = find_cell(notebook, "comparison").outputs[-1].data["text/html"]
    assert all(run.info.run_name in table for run in runs)
    pictures = find_cell(notebook, "pictures").outputs
    assert sum("image/png" in output.get("data", {}) for output in pictures) == 2
