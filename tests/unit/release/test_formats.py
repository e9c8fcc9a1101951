from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.services.pipeline_folders import write_model
from voxloop.errors import InputError
from voxloop.release.formats import require_accepted_formats


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", task="emotion", gain=1.0)
    return tmp_path / "model"


def test_a_model_folder_is_accepted(model: Path) -> None:
    require_accepted_formats(model)


@pytest.mark.parametrize("name", ["weights.pt", "weights.pkl", "model.py", "model.onnx.data", "config", "x/y.joblib"])
def test_any_other_format_is_refused_by_its_name(model: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_bytes(b"1")
    with pytest.raises(InputError, match=r"only \.json, \.onnx, \.safetensors are accepted"):
        require_accepted_formats(model)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("golden.safetensors", b"\x80\x04K\x01."),  # a pickle under another name
        ("model.json", b'{"a": 1, "a": 2}'),
        ("model.json", json.dumps([1]).encode()),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(model: Path, name: str, content: bytes) -> None:
    (model / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        require_accepted_formats(model)


def test_a_link_is_refused(model: Path, tmp_path: Path) -> None:
    (model / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (model / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(InputError, match="no plain file"):
        require_accepted_formats(model)
