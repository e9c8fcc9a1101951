from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.services.pipeline_folders import LABELS, write_model
from voxloop.adapters.triton_repository import TritonRepository
from voxloop.errors import InputError, IntegrityError
from voxloop.settings import Settings
from voxloop.store.digests import digest_tree

NAME = "emotion-0123456789ab"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "model", task="emotion", gain=1.0)
    return tmp_path / "model"


def test_a_staged_model_holds_what_triton_wants(settings: Settings, model: Path) -> None:
    repository = TritonRepository(settings)
    assert repository.stage(NAME, model, "a" * 64) is True
    place = settings.model_repository / NAME
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()) == [
        "1/__pycache__",
        "1/model.onnx",
        "1/model.py",
        "config.pbtxt",
    ]
    config = (place / "config.pbtxt").read_text()
    assert f'name: "{NAME}"' in config
    assert hashlib.sha256((model / "model.onnx").read_bytes()).hexdigest() in config
    assert f"dims: [ {len(LABELS)} ]" in config
    assert json.dumps(json.dumps(list(LABELS))) in config
    assert "$" not in config


def test_nothing_half_built_is_ever_in_the_repository(settings: Settings, model: Path) -> None:
    repository = TritonRepository(settings)
    (model / "model.onnx").unlink()
    with pytest.raises(FileNotFoundError):
        repository.stage(NAME, model, "a" * 64)
    assert not settings.model_repository.exists() or list(settings.model_repository.iterdir()) == []


def test_staging_again_writes_only_what_changed(settings: Settings, model: Path) -> None:
    repository = TritonRepository(settings)
    repository.stage(NAME, model, "a" * 64)
    assert repository.stage(NAME, model, "a" * 64) is False
    before = digest_tree(settings.model_repository / NAME)
    (settings.model_repository / NAME / "1" / "model.py").write_text("import evil")
    assert repository.stage(NAME, model, "a" * 64) is True
    assert digest_tree(settings.model_repository / NAME) == before
    assert list((settings.home / "triton" / "staging").iterdir()) == []


@pytest.mark.parametrize("name", ["config.pbtxt", "1/model.py", "1/model.onnx"])
def test_a_changed_staged_folder_is_refused_until_it_is_staged_again(
    settings: Settings, model: Path, name: str
) -> None:
    repository = TritonRepository(settings)
    other = "emotion-ba9876543210"
    for each in (NAME, other):
        repository.stage(each, model, "a" * 64)
    repository.verify(NAME)
    path = settings.model_repository / NAME / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(IntegrityError, match=f"{NAME} is not as it was signed: .*{name}"):
        repository.verify(NAME)
    shutil.copytree(settings.model_repository / other, settings.model_repository / "smuggled-in")
    sound, refused = repository.list_verified()
    assert sound == [other]
    assert set(refused) == {NAME, "smuggled-in"}
    repository.stage(NAME, model, "a" * 64)
    repository.verify(NAME)


def test_a_removed_model_leaves_no_signature(settings: Settings, model: Path) -> None:
    repository = TritonRepository(settings)
    repository.stage(NAME, model, "a" * 64)
    assert [path.name for path in repository.signatures.iterdir()] == [f"{NAME}.sig"]
    repository.remove(NAME)
    assert list(repository.signatures.iterdir()) == []


def test_the_models_of_a_task_are_its_own(settings: Settings, model: Path) -> None:
    repository = TritonRepository(settings)
    for name in (NAME, "emotion-nemo-0123456789ab", "emotional-0123456789ab"):
        repository.stage(name, model, "a" * 64)
    assert repository.staged("emotion") == [NAME]
    repository.remove(NAME)
    repository.remove(NAME)
    assert repository.staged("emotion") == []
    assert repository.staged("emotion-nemo") == ["emotion-nemo-0123456789ab"]


def test_any_declared_request_becomes_a_configuration(settings: Settings, model: Path) -> None:
    record = json.loads((model / "model.json").read_text())
    record["request"] = {
        "inputs": [{"name": "words", "dtype": "int64", "shape": ["batch", "tokens"]}],
        "outputs": [
            {"name": "log_probs", "dtype": "float32", "shape": ["batch", "frames", 28]},
            {"name": "num_frames", "dtype": "int64", "shape": ["batch"]},
        ],
    }
    (model / "model.json").write_text(json.dumps(record))
    TritonRepository(settings).stage(NAME, model, "a" * 64)
    config = (settings.model_repository / NAME / "config.pbtxt").read_text().splitlines()
    assert [line for line in config if line.startswith(("input", "output"))] == [
        'input [ { name: "words" data_type: TYPE_INT64 dims: [ -1 ] } ]',
        'output [ { name: "log_probs" data_type: TYPE_FP32 dims: [ -1, 28 ] } ]',
        'output [ { name: "num_frames" data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] } } ]',
    ]


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "words", "dtype": "string", "shape": ["batch"]},
        {"name": "words", "dtype": "int64", "shape": [8]},
        {"name": "words", "dtype": "int64", "shape": []},
    ],
)
def test_a_request_that_triton_cannot_take_is_refused(settings: Settings, model: Path, spec: dict[str, Any]) -> None:
    record = json.loads((model / "model.json").read_text())
    record["request"]["inputs"] = [spec]
    (model / "model.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="input words is"):
        TritonRepository(settings).stage(NAME, model, "a" * 64)
    assert TritonRepository(settings).staged("emotion") == []


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"task": 1}'])
def test_a_malformed_record_is_refused(settings: Settings, model: Path, content: str) -> None:
    (model / "model.json").write_text(content)
    with pytest.raises(InputError, match=r"model\.json: .* is malformed"):
        TritonRepository(settings).stage(NAME, model, "a" * 64)
