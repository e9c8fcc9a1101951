"""`python -m benchmarks.quality`: folds, strings, labels at chance, resuming, baselines; its judge is tested beside."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality import fold_run
from benchmarks.quality.corpus_config import CorpusQuality
from benchmarks.quality.digit_strings import StringsConfig, freeze_strings, frozen_path, make_strings, read_frozen
from benchmarks.quality.fold_datasets import rate_traits, shuffle_labels
from benchmarks.quality.fold_plans import DevConfig, EachSpeaker, Hashed, Pattern, plan_folds
from benchmarks.quality.fold_run import Run, answer_fold, prepare_task
from benchmarks.quality.peers import egemaps_svm, load_peer, peer_names
from benchmarks.quality.peers.peer_fold import PeerFold
from benchmarks.quality.question import Question, bind_folder
from benchmarks.quality.report import describe, write_report
from benchmarks.quality.score_measures import agreements
from benchmarks.quality.spoken_digits import VoicesConfig, speak_digits
from tests.unit.training.tones import TINY, write_tones
from voxloop.config import find_config, load_config
from voxloop.data.schema import TRAITS
from voxloop.data.shards import read_manifest
from voxloop.errors import InputError
from voxloop.settings import get_settings
from voxloop.speech.speaker_traits import TraitsConfig, draw_traits

CHANCE = 1 / 6
GIVEN = CorpusQuality.model_validate({"folds": {"given": {"kind": "dataset"}}, "tasks": {"emotion": []}})


def make_run(dataset: Path, out: Path, *, shuffled: bool = False) -> Run:
    """Return a run over the splits of a dataset as they are."""
    task, recipe = prepare_task("emotion", "smoke", TINY, None, None)
    question = Question("emotion", "tones", "given", "smoke", TINY, None, shuffled, None, "", "")
    return Run(question, GIVEN, dataset, None, out, task, recipe, None)


def test_overrides_are_of_the_task_then_the_folds_then_our_own_network() -> None:
    folds = {"kind": "dataset", "overrides": ["epochs=2"], "ours": ["epochs=4"]}
    quality = CorpusQuality.model_validate(
        {"folds": {"given": folds}, "tasks": {"asr": ["epochs=1"], "emotion": []}, "ours": {"asr": ["epochs=3"]}}
    )
    chosen = quality.folds["given"]
    assert quality.overrides_of("asr", chosen, ours=True) == ("epochs=1", "epochs=2", "epochs=3", "epochs=4")
    assert quality.overrides_of("asr", chosen, ours=False) == ("epochs=1", "epochs=2")
    assert quality.overrides_of("emotion", chosen, ours=True) == ("epochs=2", "epochs=4")


def run_all(run: Run) -> dict[str, Any]:
    """Answer the folds of a run and return its report."""
    rows = read_manifest(run.dataset).to_pylist()
    folds = plan_folds(rows, run.quality.choose_folds(None)[1])
    return write_report(run, [answer_fold(run, fold) for fold in folds], [fold.name for fold in folds], ["the command"])


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tones(tmp_path_factory.mktemp("tones") / "dataset")


@pytest.mark.slow
def test_labels_are_learnt_and_shuffled_ones_are_chance(tones: Path, tmp_path: Path) -> None:
    reports = {
        shuffled: run_all(make_run(tones, tmp_path / str(shuffled), shuffled=shuffled)) for shuffled in (False, True)
    }
    uar = {shuffled: report["score"]["all"]["uar"]["value"] for shuffled, report in reports.items()}
    # 24 test utterances of six labels: chance has a standard deviation of 0.076.
    assert uar[False] > 0.8
    assert uar[True] < CHANCE + 4 * 0.076
    page = "\n".join(describe(reports[True]))
    assert "training labels shuffled" in page
    assert (tmp_path / "True" / "report.json").is_file()


@pytest.mark.slow
def test_a_finished_fold_is_kept_and_a_training_that_is_done_is_not_done_again(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tones, tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(fold_run, "export_model", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_all(run)
    assert not (tmp_path / "folds" / "dataset").exists()
    monkeypatch.setattr(fold_run, "fit_task", lambda *_, **__: pytest.fail("trained again"))
    first = run_all(run)
    answers = (tmp_path / "folds" / "dataset" / "answers.jsonl").read_bytes()
    monkeypatch.setattr(fold_run, "export_model", lambda *_: pytest.fail("answered again"))
    assert run_all(run) == first
    assert (tmp_path / "folds" / "dataset" / "answers.jsonl").read_bytes() == answers
    assert not (tmp_path / "work" / "dataset").exists()


@pytest.mark.slow
def test_given_minutes_a_training_takes_the_epochs_that_fit(tones: Path, tmp_path: Path) -> None:
    run = make_run(tones, tmp_path)
    timed = dataclasses.replace(run, question=dataclasses.replace(run.question, minutes=0.01))
    (fold,) = run_all(timed)["folds"].values()
    assert fold["epochs"] >= 1
    assert fold["best_epoch"] <= fold["epochs"]
    assert fold["seconds"] > 0


def test_a_folder_holds_the_answers_to_one_question(tones: Path, tmp_path: Path) -> None:
    bind_folder(tmp_path, make_run(tones, tmp_path).question)
    bind_folder(tmp_path, make_run(tones, tmp_path).question)
    with pytest.raises(InputError, match="shuffled is False, not True"):
        bind_folder(tmp_path, make_run(tones, tmp_path, shuffled=True).question)


def corpora() -> list[str]:
    return sorted(path.stem for path in (get_settings().project_root / "configs" / "quality").glob("*.yaml"))


@pytest.mark.parametrize("corpus", corpora())
def test_every_configuration_reads_and_names_a_corpus(corpus: str) -> None:
    quality = load_config(CorpusQuality, find_config("quality", corpus))
    reader = import_module(f"voxloop.data.corpora.{corpus}").READER
    load_config(reader.config_model, find_config("corpora", corpus), quality.ingest)
    assert set(quality.tasks) <= set(reader.tasks)
    with pytest.raises(InputError, match="no folds 'none'"):
        quality.choose_folds("none")


def make_rows(speakers: list[str], utterances: int = 10) -> list[dict[str, Any]]:
    return [
        {"utterance_id": f"{speaker}-{number}", "speaker_id": speaker, "split": "train"}
        for speaker in speakers
        for number in range(utterances)
    ]


def test_ravdess_has_the_six_folds_of_emobox_and_no_speaker_on_two_sides() -> None:
    actors = [f"Actor_{number:02d}" for number in range(1, 25)]
    folds = plan_folds(make_rows(actors), load_config(CorpusQuality, find_config("quality", "ravdess")).folds["emobox"])
    tested = []
    for fold in folds:
        speakers = {
            split: {name.partition("-")[0] for name, side in fold.splits.items() if side == split}
            for split in ("train", "dev", "test")
        }
        assert not speakers["train"] & speakers["test"] | speakers["dev"] & (speakers["train"] | speakers["test"])
        assert [len(speakers[split]) for split in ("train", "dev", "test")] == [18, 2, 4]
        tested += sorted(speakers["test"])
    assert tested[:4] == ["Actor_01", "Actor_11", "Actor_20", "Actor_21"]
    assert sorted(tested) == actors


def test_folds_of_a_speaker_stay_when_others_join() -> None:
    dev = DevConfig(by="utterance", share=0.2)
    few, many = (
        {
            name
            for fold in plan_folds(make_rows(names), Hashed(kind="hash", count=3, dev=dev))
            for name in {f"{fold.name}/{key}" for key, split in fold.splits.items() if split == "test"}
        }
        for names in ([f"s{number}" for number in range(20)], [f"s{number}" for number in range(40)])
    )
    assert few <= many
    assert len(many) == 400


def test_folds_without_a_side_are_refused() -> None:
    dev = DevConfig(by="speaker", share=0.2)
    with pytest.raises(InputError, match="fold one has nothing in dev and train"):
        plan_folds(make_rows(["one"]), EachSpeaker(kind="each-speaker", dev=dev))
    with pytest.raises(InputError, match="fold official has nothing in test"):
        plan_folds(make_rows(["one", "two"]), Pattern(kind="pattern", test="^none", dev=dev))


def test_the_frozen_strings_are_those_of_the_rule() -> None:
    drawn = freeze_strings()
    assert {name: read_frozen(name) for name in drawn} == drawn
    strings = [string.split() for string in drawn["official"]["george"]]
    assert {len(string[::2]) for string in strings} == {2, 3, 4, 5, 6}
    assert all(25 <= int(pause) <= 150 for string in strings for pause in string[1::2])
    assert all(int(clip.split("_")[1]) < 5 for string in strings for clip in string[::2])
    assert frozen_path().is_file()


def make_clips(split_of_take: dict[int, str]) -> dict[str, tuple[dict[str, Any], Any]]:
    whole = read_tone_row()
    return {
        f"fsdd-{digit}_george_{take}": (
            {**whole, "utterance_id": f"fsdd-{digit}_george_{take}", "split": split, "text": f"w{digit}"},
            np.full(1600, digit / 10, dtype=np.float32),
        )
        for digit in range(10)
        for take, split in split_of_take.items()
    }


def read_tone_row() -> dict[str, Any]:
    from tests.unit.training.tones import tone_row

    return {**tone_row("anger", "train", 0), "speaker_id": "george"}


def test_strings_are_joined_from_the_clips_of_their_own_split() -> None:
    clips = make_clips({**dict.fromkeys(range(5), "test"), 5: "dev", 6: "train"})
    rows = list(make_strings(clips, "official", StringsConfig(train=7, dev=3)))
    counts = {split: sum(row["split"] == split for row in rows) for split in ("train", "dev", "test")}
    assert counts == {"train": 7, "dev": 3, "test": 60}
    first = next(row for row in rows if row["split"] == "test")
    parts = read_frozen("official")["george"][0].split()
    assert first["text"] == " ".join(f"w{clip[0]}" for clip in parts[::2])
    assert first["num_samples"] == 1600 * len(parts[::2]) + 16 * sum(map(int, parts[1::2]))
    with pytest.raises(InputError, match="is not in test"):
        list(make_strings(make_clips({1: "test", 6: "train"}), "official", StringsConfig(train=1, dev=1)))


def test_virtual_speakers_are_trained_on_alone_and_the_same_every_time() -> None:
    clips = make_clips({**dict.fromkeys(range(5), "test"), 5: "dev", 6: "train"})
    voices = VoicesConfig(
        speakers=3, takes=2, train=4, accents=("en-us", "en-029"), variants=("f2", "m3"), folds=("official",)
    )
    spoken = speak_digits(voices, [row for row, _ in clips.values()])
    assert len(spoken) == 3 * 2 * 10
    again = speak_digits(voices, [row for row, _ in clips.values()])
    assert all(np.array_equal(again[name][1], sound) for name, (_, sound) in spoken.items())
    # Trimmed: it begins and ends with speech.
    assert all(np.abs(sound[:400]).max() > 0.01 < np.abs(sound[-400:]).max() for _, sound in spoken.values())
    rows = list(make_strings(clips | spoken, "official", StringsConfig(train=7, dev=3, voices=voices)))
    of_voices = [row for row in rows if row["speaker_id"] != "george"]
    assert {row["split"] for row in of_voices} == {"train"}
    assert len(of_voices) == 3 * 4
    config = StringsConfig(train=7, dev=3, voices=voices)
    assert (config.voices_in("official"), config.voices_in("speaker-out")) == (voices, None)
    assert len(rows) - len(of_voices) == 7 + 3 + 60
    assert all(row["text"].split()[0].startswith("w") for row in of_voices)


@pytest.mark.parametrize("task", ["asr", "emotion", "personality"])
def test_shuffling_permutes_the_labels_of_train_alone(task: str) -> None:
    rows = [
        {
            "utterance_id": str(number),
            "speaker_id": f"s{number // 4}",
            "split": "test" if number >= 80 else "train",
            "duration_s": 1.0 + number / 100,
            "text": f"word {number}",
            "emotion": f"label {number}",
            **{trait: float(number // 4) for trait in TRAITS},
        }
        for number in range(100)
    ]
    before = [dict(row) for row in rows]
    column = {"asr": "text", "emotion": "emotion", "personality": "openness"}[task]
    after = sorted(shuffle_labels(rows, task, 1), key=lambda row: int(row["utterance_id"]))
    assert after[80:] == before[80:]
    changed = sum(one[column] != other[column] for one, other in zip(before[:80], after[:80], strict=True))
    assert changed > 40
    kept = {row[column] for row in after[:80]} - {None}
    assert kept <= {row[column] for row in before[:80]}
    if task == "personality":
        assert all(len({row["openness"] for row in after if row["speaker_id"] == f"s{one}"}) == 1 for one in range(20))


def test_who_knows_the_traits_reaches_a_ccc_of_085() -> None:
    raters = load_config(CorpusQuality, find_config("quality", "world")).raters
    assert raters is not None
    draw = np.random.default_rng(0)
    true = [draw_traits(TraitsConfig(), draw).model_dump() for _ in range(4000)]
    rate = rate_traits(raters)
    rated = [rate({"speaker_id": str(number), **traits}) for number, traits in enumerate(true)]
    rows = [
        {"wanted": {name: one[name] for name in TRAITS}, "found": other} for one, other in zip(rated, true, strict=True)
    ]
    assert agreements(rows)["ccc"] == pytest.approx(0.85, abs=0.01)
    assert rate({"speaker_id": "7", **true[7]}) == rated[7]


def test_baselines_are_named_and_kept_to_their_task() -> None:
    assert {"gru-ctc", "bigru-ctc", "egemaps-svm", "mean", "ridge-tfidf", "svr-audio", "oracle"} == set(peer_names())
    with pytest.raises(InputError, match="no baseline 'magic'"):
        load_peer("magic", "asr")
    with pytest.raises(InputError, match="the baseline mean is one of personality"):
        load_peer("mean", "asr")


@pytest.mark.parametrize(("name", "symbols", "millions"), [("gru-ctc", 17, 0.59), ("bigru-ctc", 33, 1.15)])
def test_the_recurrent_baselines_are_of_their_size_and_blind_to_padding(
    name: str, symbols: int, millions: float
) -> None:
    import torch

    from benchmarks.quality.peers.recurrent import RecurrentAsrConfig, RecurrentNetwork

    _, recipe = prepare_task("asr", "small", (), load_peer(name, "asr"), name)
    assert isinstance(recipe, RecurrentAsrConfig)
    torch.manual_seed(0)
    network = RecurrentNetwork(recipe, symbols).eval()
    size = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert size == pytest.approx(millions, abs=0.02)
    sound = torch.randn(1, 16_000) * 0.1
    padded = torch.cat([torch.nn.functional.pad(sound, (0, 9_000)), torch.randn(1, 25_000) * 0.1])
    with torch.inference_mode():
        alone, counts = network(sound, torch.tensor([16_000]))
        together, _ = network(padded, torch.tensor([16_000, 25_000]))
    heard = int(counts[0])
    assert torch.allclose(alone[0, :heard], together[0, :heard], atol=1e-5)


def test_without_opensmile_the_baseline_says_what_to_install(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(egemaps_svm, "import_module", refuse)
    with pytest.raises(InputError, match=r"pip install 'voxloop\[opensmile\]'"):
        egemaps_svm.answer_fold(PeerFold(tones, tones, tmp_path, (), 0))
