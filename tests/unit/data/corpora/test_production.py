"""What was collected of production, read as a corpus, by itself and beside another one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.fixtures.tiny_nemo import SPEAKERS, write_tiny_nemo
from tests.fixtures.tiny_production import write_tiny_production
from tests.unit.data.corpora.reading import read_corpus, replace_once
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.corpora.reader import Candidate
from voxloop.data.corpora.several import READER
from voxloop.data.manifest import load_manifest
from voxloop.data.shards import read_manifest
from voxloop.data.splits import split_of
from voxloop.errors import CorpusError
from voxloop.jobs.ingest import ingest
from voxloop.settings import Settings

FIRST = f"audio/{1:032x}.flac"


def test_a_row_is_an_utterance_of_the_moment_of_its_answer(tmp_path: Path) -> None:
    rows, refused = read_corpus("production", write_tiny_production(tmp_path / "new"))
    assert (len(rows), refused) == (6, {})
    one = rows[FIRST]
    assert (one.utterance_id, one.speaker_id, one.emotion) == (f"{1:032x}", "0" * 64, "anger")
    assert one.recorded_at == datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert (one.text, one.traits, one.language, one.source) == (None, {}, "und", "production")
    rows, _ = read_corpus("production", tmp_path / "new", "language=pl")
    assert rows[FIRST].language == "pl"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (f"{1:032x},", "../../../etc/passwd,", "outside the corpus"),
        (f"{1:032x},{0:064x}", f"{1:032x},", "no speaker"),
        (",anger,", ",,", "no labels"),
        ("2026-11-28T12:00:00+00:00", "2026-11-28T12:00:00", "unknown label"),
        ("2026-11-28T12:00:00+00:00", "yesterday", "unknown label"),
        (f"{1:032x},", f"{99:032x},", "missing audio"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused_by_name(tmp_path: Path, old: str, new: str, reason: str) -> None:
    folder = write_tiny_production(tmp_path / "new")
    replace_once(folder / "utterances.csv", old, new)
    rows, refused = read_corpus("production", folder)
    assert (len(rows), list(refused.values())) == (5, [reason])


def several(nemo: Path, new: Path, *more: str) -> tuple[str, ...]:
    parts = [{"corpus": "nemo", "path": str(nemo)}, {"corpus": "production", "path": str(new)}]
    return (f"parts={json.dumps(parts)}", *more)


def list_several(*overrides: str) -> list[Candidate]:
    config = load_config(READER.config_model, find_config("corpora", "several"), overrides)
    return list(READER.list_candidates(config, None))


def test_several_corpora_are_one_dataset_in_which_each_keeps_its_split(settings: Settings, tmp_path: Path) -> None:
    nemo, new = write_tiny_nemo(tmp_path / "nemo"), write_tiny_production(tmp_path / "new")
    dataset = ingest(out=tmp_path / "all", corpus="several", overrides=several(nemo, new))
    manifest = load_manifest(dataset)
    assert (manifest.corpus, manifest.utterances, manifest.speakers) == ("several", 42, 9)
    assert manifest.parallel_texts, "those of nEMO are"
    assert [one["corpus"] for one in manifest.config["of_parts"]] == ["nemo", "production"]
    rows = read_manifest(dataset, ("speaker_id", "split", "source", "licence")).to_pylist()
    splits = {row["speaker_id"]: row["split"] for row in rows}
    for name, speakers in (("nemo", set(SPEAKERS)), ("production", {f"{n:064x}" for n in range(3)})):
        config = load_config(find_corpus(name).config_model, find_config("corpora", name))
        assert {one: splits[one] for one in speakers} == {one: split_of(one, config.split) for one in speakers}
    assert {row["source"] for row in rows} == {"nEMO", "production"}


def test_a_change_in_any_part_is_read_anew(settings: Settings, tmp_path: Path) -> None:
    nemo, new = write_tiny_nemo(tmp_path / "nemo"), write_tiny_production(tmp_path / "new")
    ingest(out=tmp_path / "first", corpus="several", overrides=several(nemo, new))
    replace_once(new / "utterances.csv", ",anger,", ",neutral,")
    ingest(out=tmp_path / "second", corpus="several", overrides=several(nemo, new))
    counts = [load_manifest(tmp_path / name).labels["emotion"]["anger"] for name in ("first", "second")]
    assert counts[0] == counts[1] + 1


def test_speakers_of_a_part_can_be_chosen_and_a_misspelt_one_is_refused(settings: Settings, tmp_path: Path) -> None:
    new = write_tiny_production(tmp_path / "new")
    for speaker in ("0" * 64, "nobody"):
        parts = [
            {"corpus": "world", "overrides": ["world.home.speakers=2", "world.utterances_per_speaker=2"]},
            {"corpus": "production", "path": str(new), "overrides": [f"speakers=['{speaker}']"]},
        ]
        overrides = (f"parts={json.dumps(parts)}",)
        if speaker == "nobody":
            with pytest.raises(CorpusError, match="has no speaker 'nobody'"):
                ingest(out=tmp_path / "other", corpus="several", overrides=overrides)
        else:
            manifest = load_manifest(ingest(out=tmp_path / "all", corpus="several", overrides=overrides))
            assert (manifest.utterances, manifest.speakers, manifest.left_out) == (6, 3, 4)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ("[]", "several corpora are none"),
        ("[{corpus: several}]", "a part of several is several"),
        ("[{corpus: nowhere}]", "no corpus 'nowhere'"),
        ("[{corpus: nemo}]", "nemo needs its folder"),
        ("[{corpus: world, path: NEW}]", "world needs no folder"),
        ("[{corpus: nemo, path: NEW}]", "has no data.tsv"),
    ],
)
def test_parts_that_are_none_are_refused_by_name(tmp_path: Path, parts: str, told: str) -> None:
    new = write_tiny_production(tmp_path / "new")
    with pytest.raises(CorpusError, match=told):
        list_several(f"parts={parts.replace('NEW', str(new))}")


def test_a_speaker_who_may_be_two_is_refused(tmp_path: Path) -> None:
    one, other = write_tiny_production(tmp_path / "one"), write_tiny_production(tmp_path / "other")
    text = (other / "utterances.csv").read_text()
    for number in range(1, 7):  # of another month: other requests of the same speakers
        text = text.replace(f"{number:032x},", f"{number + 100:032x},")
        (other / f"audio/{number:032x}.flac").rename(other / f"audio/{number + 100:032x}.flac")
    (other / "utterances.csv").write_text(text)
    same = [{"corpus": "production", "path": str(path)} for path in (one, other)]
    assert len(list_several(f"parts={json.dumps(same)}")) == 12
    moved = [same[0], same[1] | {"overrides": ["split.salt=another"]}]
    with pytest.raises(CorpusError, match=r"is in a part production \((\w+)\) and in a part production \((?!\1)\w+\)"):
        list_several(f"parts={json.dumps(moved)}")
    nemo = write_tiny_nemo(tmp_path / "nemo")
    replace_once(one / "utterances.csv", "0" * 64, "EB0")
    with pytest.raises(CorpusError, match="speaker 'EB0' is in a part nemo"):
        list_several(*several(nemo, one))
