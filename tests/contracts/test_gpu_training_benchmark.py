"""`python -m benchmarks.gpu_training`: nobody has a GPU here, so its whole path is run small on a CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from benchmarks.gpu_training import report
from benchmarks.gpu_training.__main__ import load_recipe, measure
from benchmarks.gpu_training.flops import peak_flops
from benchmarks.gpu_training.laps import Lap, Memory, Result, StopWatch, race
from benchmarks.gpu_training.noise_dataset import NoiseConfig, write_noise
from voxloop.tasks import get_task
from voxloop.training.fit import read_material

CPU = torch.device("cpu")
NOISE = NoiseConfig(0.5, 32, (1.0, 2.5, 4.0))


@dataclass
class Fake:
    """A contestant whose epochs take as long as it is told."""

    name: str
    seconds: float
    order: list[str] = field(default_factory=list)
    fails_at: int | None = None
    parameters: int = 10
    precision: str = "bf16-mixed"
    compiled: bool = False

    def lap(self, number: int) -> Lap:
        self.order.append(f"{self.name}{number}")
        if number == self.fails_at:
            raise RuntimeError("out of memory\nand more")
        return Lap(self.seconds, 100.0, self.seconds / 10, self.seconds + 1.0)

    def forward_flops(self) -> float:
        return 1e9


def run_race(*contestants: Fake, rounds: int = 2) -> list[Result]:
    results = [Result(contestant) for contestant in contestants]
    race(results, rounds, Memory(CPU))
    return results


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert measure() == 2
    told = capsys.readouterr()
    assert told.err.startswith("torch sees no CUDA device; `--device cpu --tiny`")
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_contestants_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    fast, slow = run_race(Fake("a", 1.0, order), Fake("b", 2.0, order))
    assert order == ["a0", "b0", "b1", "a1", "a2", "b2"]
    assert (fast.speed, slow.speed, fast.ratio_to(slow)) == (100.0, 50.0, 2.0)
    assert len(fast.laps) == 2
    assert fast.waiting == pytest.approx(0.1)


def test_one_that_fails_is_out_and_named() -> None:
    lost, well = run_race(Fake("a", 1.0, fails_at=1), Fake("b", 1.0))
    assert (lost.finished, lost.failure, well.finished, len(well.laps)) == (False, "out of memory", True, 2)
    assert report.describe_run(lost, 1e9, CPU)["failure"] == "out of memory"
    assert report.find(well, lost, well)[0].what.startswith("asr base: share of time waiting")
    assert len(report.find(well, lost, well)) == 1
    assert report.describe_ratios({"a": lost, "b": well}, {"a over b": ("a", "b")}) == []


def test_use_of_the_device_is_three_times_forward_over_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = run_race(Fake("a", 0.1))
    monkeypatch.setattr(report, "peak_flops", lambda *_: 12e12)
    described = report.describe_run(one, 1e9, CPU)
    assert (described["audio_seconds_per_second"], described["tflops"], described["mfu"]) == (1000.0, 3.0, 0.25)
    assert "0.25" in report.draw_table([described])


@pytest.mark.parametrize(
    ("name", "precision", "peak"),
    [("NVIDIA H200", "bf16-mixed", 989.4e12), ("NVIDIA H200", "32-true", None), ("GeForce", "bf16-mixed", None)],
)
def test_a_peak_is_known_or_it_is_not_guessed(
    monkeypatch: pytest.MonkeyPatch, name: str, precision: str, peak: float | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: name)
    assert peak_flops(torch.device("cuda"), precision) == peak
    assert peak_flops(CPU, precision) is None


def test_first_steps_are_not_timed() -> None:
    watch = StopWatch(CPU, skipped=2)
    watch.start(4)
    assert [watch.step(5.0, waited) for waited in (9.0, 10.0, 10.5)] == [None, None, None]
    lap = watch.step(7.0, 11.0)
    assert lap is not None
    assert (lap.audio, lap.waited) == (12.0, 1.0)
    assert 0.0 <= lap.seconds <= lap.whole
    with pytest.raises(AssertionError, match="take more minutes"):
        watch.start(2)


def test_the_noise_is_a_dataset_whose_transcripts_fit(tmp_path: Path) -> None:
    recipe = load_recipe(("symbols={kind: words}",))
    material = read_material(write_noise(tmp_path / "noise", NOISE), get_task("asr"), recipe)
    assert len(material.encoding.symbols) == 1 + NOISE.vocabulary
    assert material.train.seconds.sum() == pytest.approx(30.0, rel=0.2)
    assert 2.0 < material.train.weights.sum() / material.train.seconds.sum() < 5.0
    assert len(material.dev) > 0


def test_the_peer_runs_in_half_precision_and_counts_frames_as_ours_does() -> None:
    pytest.importorskip("transformers")
    from benchmarks.gpu_training.__main__ import TINY
    from benchmarks.gpu_training.peer import ParakeetNetwork
    from voxloop.tasks import asr

    recipe = load_recipe((*TINY, "symbols={kind: words}"))
    network = ParakeetNetwork(recipe, 65)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_probs, counts = network(0.1 * torch.randn(2, 32_000), torch.tensor([32_000, 20_001]))
    assert (log_probs.dtype, log_probs.shape[2]) == (torch.float32, 65)
    assert counts.tolist() == [asr.count_outputs(samples, recipe) for samples in (32_000, 20_001)]
    log_probs.sum().backward()


@pytest.mark.slow
def test_the_whole_of_it_runs_small_on_a_cpu() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu_training", "--device", "cpu", "--tiny", "--rounds", "1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    runs = {line["run"]: line for line in lines if "run" in line}
    assert set(runs) >= {"base", "base, fp32", "base, one view"}
    assert all(run["audio_seconds_per_second"] > 0 and run["mfu"] is None for run in runs.values())
    found = [line["what"] for line in lines if "what" in line]
    assert found[0].startswith("asr base: share of time waiting for data")
    assert ("ParakeetForCTC" in runs) == (len(found) == 2)
