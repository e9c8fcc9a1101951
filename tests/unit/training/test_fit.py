"""A real training on a tiny dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.training.tones import TINY, write_tones
from voxloop.config import find_config, load_config
from voxloop.errors import CorpusError, InputError, TrainingInterruptedError, VoxloopError
from voxloop.store.digests import digest_file, digest_tree
from voxloop.tasks import emotion, get_task
from voxloop.training.fit import fit_task, read_weights
from voxloop.training.interruption import Interruption

TASK = get_task("emotion")
RELABELLED = [*emotion.LABELS, "boredom"]


def tiny(*overrides: str) -> emotion.EmotionConfig:
    return load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "smoke"), (*TINY, *overrides))


def test_it_learns_what_there_is_to_learn(weights: Path) -> None:
    report = json.loads((weights / "training.json").read_text())
    assert report["objective"]["name"] == "uar"
    assert report["objective"]["value"] > 0.8
    assert report["history"][report["best_epoch"] - 1]["dev"] == report["dev"]
    assert report["dev"]["uar"] == report["objective"]["value"]
    assert report["dev"]["uar"] == max(epoch["dev"]["uar"] for epoch in report["history"])


def test_the_report_tells_what_was_done(weights: Path, tones: Path, recipe: emotion.EmotionConfig) -> None:
    report = json.loads((weights / "training.json").read_text())
    assert report["schema_version"] == 2
    assert report["labels"] == report["encoding"]["labels"] == list(emotion.LABELS)
    assert report["request"] == TASK.request(TASK.Encoding.model_validate(report["encoding"])).as_json()
    assert report["dataset_digest"] == digest_tree(tones)
    assert emotion.EmotionConfig.model_validate(report["config"]) == recipe
    network = TASK.build_network(recipe, TASK.Encoding.model_validate(report["encoding"]))
    network.load_state_dict(load_file(weights / "weights.safetensors"), strict=True)
    assert report["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert (weights / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_same_inputs_same_bytes(weights: Path, tones: Path, recipe: emotion.EmotionConfig, tmp_path: Path) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(99)
    fit_task(tones, tmp_path, task=TASK, recipe=recipe)
    assert digest_file(tmp_path / "weights.safetensors") == digest_file(weights / "weights.safetensors")
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_another_seed_gives_other_weights(weights: Path, tones: Path, tmp_path: Path) -> None:
    fit_task(tones, tmp_path, task=TASK, recipe=tiny("seed=8", "epochs=1"))
    assert digest_file(tmp_path / "weights.safetensors") != digest_file(weights / "weights.safetensors")


def test_it_stops_when_nothing_gets_better(tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit_task(tones, tmp_path, task=TASK, recipe=tiny("epochs=30", "patience=2", "optimiser.learning_rate=1e-12"))
    report = json.loads((tmp_path / "training.json").read_text())
    assert report["best_epoch"] == 1
    assert len(report["history"]) == 3
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 3
    assert "audio s/s" in lines[0]


def test_a_loss_that_is_not_a_number_stops_it(tones: Path, tmp_path: Path) -> None:
    recipe = tiny("optimiser.learning_rate=1e30", "optimiser.warmup_share=0", "epochs=3")
    with pytest.raises(VoxloopError, match=r"epoch \d+: the loss is (nan|inf) .*learning_rate"):
        fit_task(tones, tmp_path, task=TASK, recipe=recipe)
    assert not list(tmp_path.iterdir())


def test_a_dataset_without_dev_speakers_is_refused(tmp_path: Path) -> None:
    from tests.unit.training.tones import tone_rows

    dataset = write_tones(tmp_path / "only-train", tone_rows({"train": 1}))
    with pytest.raises(CorpusError, match="only-train/dev"):
        fit_task(dataset, tmp_path / "out", task=TASK, recipe=tiny())


def test_how_often_it_is_saved_changes_no_byte(weights: Path, tones: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    recipe = tiny("checkpoints.every_seconds=0", "checkpoints.keep=1")
    fit_task(tones, tmp_path / "out", task=TASK, recipe=recipe, checkpoints=tmp_path / "checkpoints")
    assert digest_tree(tmp_path / "out") == digest_tree(weights)
    assert list((tmp_path / "checkpoints").iterdir())


class Stop(Interruption):
    """Asks to stop when it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def reason(self) -> str | None:
        """A reason, after so many looks."""
        self.looks -= 1
        return None if self.looks > 0 else "a test"


def test_stopped_again_and_again_it_ends_with_the_same_bytes(weights: Path, tones: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    stops = 0
    while stops < 100:
        try:
            fit_task(
                tones,
                tmp_path / "out",
                task=TASK,
                recipe=tiny(),
                checkpoints=tmp_path / "checkpoints",
                interruption=Stop(5 + stops),
            )
            break
        except TrainingInterruptedError:
            assert not list((tmp_path / "out").iterdir())
            stops += 1
    assert 2 <= stops < 100
    assert digest_tree(tmp_path / "out") == digest_tree(weights)


def test_it_goes_on_from_weights_and_leaves_fresh_what_does_not_fit(weights: Path, tones: Path, tmp_path: Path) -> None:
    start = read_weights(weights)
    for name, overrides in (("fresh", ()), ("tuned", ()), ("relabelled", (f"labels={json.dumps(RELABELLED)}",))):
        (tmp_path / name).mkdir()
        recipe = tiny("epochs=1", "optimiser.learning_rate=1e-12", *overrides)
        begun = None if name == "fresh" else start
        fit_task(tones, tmp_path / name, task=TASK, recipe=recipe, start=begun)
    found = {name: json.loads((tmp_path / name / "training.json").read_text()) for name in ("fresh", "tuned")}
    assert found["tuned"]["dev"]["uar"] > 0.8 > found["fresh"]["dev"]["uar"]
    assert len(read_weights(tmp_path / "relabelled")["classify.bias"]) == len(RELABELLED)
    taken = read_weights(tmp_path / "relabelled")["project.weight"]
    torch.testing.assert_close(taken, start["project.weight"], atol=1e-6, rtol=0)


def test_weights_that_fit_nothing_are_refused(tones: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fit nothing of this network"):
        fit_task(tones, tmp_path, task=TASK, recipe=tiny(), start={"other": torch.zeros(3)})


@pytest.mark.parametrize("content", [None, b"", b"no safetensors"])
def test_a_folder_without_weights_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="holds no weights: .*; train writes weights.safetensors"):
        read_weights(tmp_path)
