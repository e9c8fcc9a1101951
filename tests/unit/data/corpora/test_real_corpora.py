"""The real corpora through the real `ingest`, where their tars (or folders) lie under data/raw: figures as told of them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from voxloop.data.manifest import Manifest, SplitCount, load_manifest
from voxloop.data.report_page import REPORT_NAME
from voxloop.data.shards import read_manifest
from voxloop.jobs.ingest import ingest
from voxloop.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RAW = Path(__file__).resolve().parents[4] / "data" / "raw"

SPEAKERS = {
    "fsdd": dict.fromkeys(("george", "jackson", "lucas", "nicolas", "yweweler"), 500),
    "mboshi": {"abiayi": 3_681, "kouarata": 1_234, "martial": 215},
    "nemo": {"EB0": 539, "KD0": 540, "MK0": 450, "MP0": 256, "SM0": 538, "WR0": 539},
    "ravdess": {f"Actor_{actor:02d}": 60 for actor in range(1, 25)},
}
HOURS = {"fsdd": 0.3105, "mboshi": 4.4630, "nemo": 1.9919, "ravdess": 1.4803}
LABELS: dict[str, dict[str, dict[str, int]]] = {
    "fsdd": {"gender": {"male": 2_500}, "language": {"en": 2_500}},
    "mboshi": {"language": {"mdw": 5_130}},
    "nemo": {
        "emotion": {"anger": 479, "fear": 466, "happiness": 479, "neutral": 539, "sadness": 499, "surprise": 400},
        "gender": {"female": 1_529, "male": 1_333},
        "language": {"pl": 2_862},
    },
    "ravdess": {
        "emotion": {
            "neutral": 96,
            **dict.fromkeys(("anger", "calm", "disgust", "fear", "happiness", "sadness", "surprise"), 192),
        },
        "gender": {"female": 720, "male": 720},
        "language": {"en": 1_440},
    },
}
SPLITS = {  # utterances and speakers
    "fsdd": {"train": (1_500, 3), "dev": (500, 1), "test": (500, 1)},
    "mboshi": {"train": (3_681, 1), "dev": (215, 1), "test": (1_234, 1)},
    "nemo": {"train": (1_528, 3), "dev": (256, 1), "test": (1_078, 2)},
    "ravdess": {"train": (960, 16), "dev": (240, 4), "test": (240, 4)},  # fold 1
}


def take_in(name: str, out: Path, *overrides: str) -> Path:
    """Ingest a corpus from its tar, or from its folder when there is no tar."""
    places = (RAW / f"{name}.tar", RAW / name)
    place = next((place for place in places if place.exists()), None)
    if place is None:
        pytest.skip(f"neither data/raw/{name}.tar nor data/raw/{name} is there: put one there to check its figures")
    return ingest(place, out=out, corpus=name, overrides=overrides)


def check_fates(manifest: Manifest, rows: int) -> None:
    assert (manifest.utterances, manifest.quarantined, manifest.left_out, manifest.erased) == (rows, {}, 0, 0)


def check_splits(manifest: Manifest, wanted: dict[str, tuple[int, int]]) -> None:
    splits = {name: SplitCount(utterances=rows, speakers=speakers) for name, (rows, speakers) in wanted.items()}
    assert manifest.splits == splits


def read_page(dataset: Path) -> str:
    """Return the words and numbers of the report, one space between what stands in different places."""
    page = re.sub(r"<(style|svg).*?</\1>", " ", (dataset / REPORT_NAME).read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def check_page(dataset: Path, manifest: Manifest, labels: dict[str, dict[str, int]]) -> None:
    """The page tells people what the manifest tells programs."""
    page = read_page(dataset)
    hours = f"{manifest.hours:,.6g}"
    assert f" rows {manifest.utterances:,} hours {hours} speakers {manifest.speakers:,} " in page
    assert "Nothing was refused." in page
    for split, count in manifest.splits.items():
        assert f" {split} {count.utterances:,} {count.speakers:,} " in page
    for values in labels.values():
        assert [value for value, rows in values.items() if f" {value} {rows:,} " not in page] == []


@pytest.mark.parametrize("name", SPEAKERS)
def test_a_corpus_of_sound_is_taken_in_whole(settings: Settings, tmp_path: Path, name: str) -> None:
    dataset = take_in(name, tmp_path / "out")
    manifest = load_manifest(dataset)
    check_fates(manifest, sum(SPEAKERS[name].values()))
    assert manifest.hours == pytest.approx(HOURS[name], abs=1e-4)
    assert manifest.speakers == len(SPEAKERS[name])
    assert manifest.labels == LABELS[name]
    check_splits(manifest, SPLITS[name])
    rows = read_manifest(dataset, ["speaker_id", "text", "num_samples"]).to_pydict()
    assert Counter(rows["speaker_id"]) == SPEAKERS[name]
    assert all(rows["text"])
    assert sum(rows["num_samples"]) / 16_000 / 3_600 == pytest.approx(manifest.hours)
    if name == "mboshi":
        assert len(set("".join(rows["text"]))) == 32  # with the space
    check_page(dataset, manifest, LABELS[name])


def test_324_vlogs_have_words_scores_features_and_gender(settings: Settings, tmp_path: Path) -> None:
    dataset = take_in("youtube_personality", tmp_path / "out")
    manifest = load_manifest(dataset)
    check_fates(manifest, 324)
    assert (manifest.hours, manifest.speakers) == (0.0, 324)
    labels = {"gender": {"female": 165, "male": 159}, "language": {"en": 324}}
    assert manifest.labels == labels
    check_splits(manifest, {"train": (228, 228), "dev": (32, 32), "test": (64, 64)})
    traits = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    assert {manifest.numbers[trait].count for trait in traits} == {324}
    assert all(manifest.numbers[trait].minimum >= 1.0 and manifest.numbers[trait].maximum <= 7.0 for trait in traits)
    check_page(dataset, manifest, labels)


@pytest.mark.parametrize(
    ("name", "part", "count"), [("fsdd", "test", 250), ("fsdd", "train", 2_250), ("mboshi", "dev", 514)]
)
def test_an_official_part_has_its_size(settings: Settings, tmp_path: Path, name: str, part: str, count: int) -> None:
    manifest = load_manifest(take_in(name, tmp_path / "out", f"parts=[{part}]"))
    check_fates(manifest, count)
    assert manifest.speakers == len(SPEAKERS[name])
