"""Model files made to do harm are refused by name, by the loader that reads them, and nothing of them runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.hostile_models import HOSTILE_MODELS, MAKERS, HostileModel, Kind
from voxloop.errors import InputError, IntegrityError, VoxloopError
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.model_folder import check_model_folder
from voxloop.training.checkpoints import CheckpointStore, read_checkpoint
from voxloop.training.export import load_trained


def read(kind: Kind, folder: Path) -> None:
    if kind == "weights":
        load_trained(folder)
    elif kind == "checkpoint":
        read_checkpoint(folder)
    else:
        check_model_folder(folder)
        ExportedModel(folder, threads=1)


@pytest.mark.parametrize("kind", list(MAKERS))
def test_a_whole_folder_is_read(kind: Kind, tmp_path: Path) -> None:
    read(kind, MAKERS[kind](tmp_path / "whole"))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("hostile", HOSTILE_MODELS, ids=lambda hostile: hostile.name)
def test_a_hostile_file_is_refused_by_name(
    hostile: HostileModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = MAKERS[hostile.kind](tmp_path / "folder")
    hostile.spoil(folder)
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(VoxloopError) as refused:
        read(hostile.kind, folder)
    assert isinstance(refused.value, IntegrityError if hostile.kind == "checkpoint" else InputError)
    assert hostile.told in str(refused.value)
    assert len(str(refused.value)) < 3000
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_training_goes_past_a_hostile_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = [one for one in HOSTILE_MODELS if one.kind == "checkpoint"]
    for one in hostile:
        root = tmp_path / one.name
        one.spoil(MAKERS["checkpoint"](root))
        assert CheckpointStore(root, keep=1).load_newest() is None
    assert len(capsys.readouterr().out.splitlines()) == len(hostile)


def test_there_are_25_kinds_at_least() -> None:
    assert len({hostile.name for hostile in HOSTILE_MODELS}) == len(HOSTILE_MODELS) >= 25
