"""The export job behind the train job."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.training.tones import TINY, write_tones
from voxloop.errors import ConfigError, InputError
from voxloop.jobs.export import export
from voxloop.jobs.train import train
from voxloop.store.digests import digest_tree

pytestmark = pytest.mark.usefixtures("home")


def test_what_train_wrote_becomes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = train(write_tones(tmp_path / "data"), tmp_path / "w", config="smoke", overrides=(*TINY, "epochs=1"))
    one = export(weights, tmp_path / "one", overrides=("seconds=[0.3, 0.9]",))
    two = export(weights, tmp_path / "two", overrides=("seconds=[0.3, 0.9]",))
    assert {path.name for path in one.iterdir()} == {
        "model.onnx", "model.json", "golden.safetensors", "parity.json", "_record.json"
    }  # fmt: skip
    assert "step export: reused" in capsys.readouterr().out
    assert digest_tree(one) == digest_tree(two)


def test_a_folder_that_train_did_not_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty is not a weights folder"):
        export(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'tolerance'"):
        export(tmp_path / "w", tmp_path / "out", overrides=("tolerence=1",))
