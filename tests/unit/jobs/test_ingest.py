from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.faults.hostile_archives import HOSTILE
from tests.fixtures.dated_corpus import describe_corpus
from tests.fixtures.tiny_nemo import write_tiny_nemo, write_tone
from voxloop.data.manifest import load_manifest
from voxloop.data.shards import iter_audio, read_manifest
from voxloop.data.tombstones import Tombstones, write_tombstones
from voxloop.errors import CorpusError, InputError, IntegrityError
from voxloop.jobs import ingest as job
from voxloop.jobs.ingest import ingest
from voxloop.settings import Settings, get_settings
from voxloop.store.digests import digest_tree

SMALL = ("world.home.speakers=3", "world.utterances_per_speaker=6")


@pytest.fixture
def nemo(tmp_path: Path) -> Path:
    return write_tiny_nemo(tmp_path / "corpus" / "nemo", sentences=2)


def test_the_world_is_the_same_byte_for_byte_without_the_store(settings: Settings, tmp_path: Path) -> None:
    one = ingest(out=tmp_path / "one", overrides=SMALL)
    shutil.move(settings.store, tmp_path / "away")
    other = ingest(out=tmp_path / "other", overrides=SMALL)
    assert digest_tree(one) == digest_tree(other)
    manifest = load_manifest(one)
    assert (manifest.corpus, manifest.utterances, manifest.speakers) == ("world", 18, 3)
    assert manifest.labels["emotion"] == dict.fromkeys(sorted(manifest.labels["emotion"]), 3)
    assert len(manifest.labels["emotion"]) == 6


def test_night_two_keeps_night_one_and_adds_speakers(settings: Settings, tmp_path: Path) -> None:
    one = ingest(out=tmp_path / "one", overrides=SMALL)
    two = ingest(out=tmp_path / "two", overrides=(*SMALL, "world.newcomers.speakers=2"))
    columns = ["utterance_id", "sha256", "split"]
    first, second = (read_manifest(dataset, columns).to_pylist() for dataset in (one, two))
    assert second[: len(first)] == first
    assert len(second) == len(first) + 12


def test_nemo_is_read_and_asked_for_again_comes_from_the_store(
    settings: Settings, tmp_path: Path, nemo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ingest(out=tmp_path / "one", corpus="nemo", path=nemo.parent)
    manifest = load_manifest(one)
    assert (manifest.utterances, manifest.speakers, manifest.quarantined) == (72, 6, {})
    assert {name: split.speakers for name, split in manifest.splits.items()} == {"train": 3, "dev": 1, "test": 2}
    assert "reused" not in capsys.readouterr().out
    other = ingest(out=tmp_path / "other", corpus="nemo", path=nemo)
    assert "reused" in capsys.readouterr().out
    assert digest_tree(one) == digest_tree(other)


def test_a_changed_corpus_is_read_again(
    settings: Settings, tmp_path: Path, nemo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ingest(out=tmp_path / "one", corpus="nemo", path=nemo)
    write_tone(nemo / "samples" / "EB0_anger_1.ogg", hertz=333.0)
    other = ingest(out=tmp_path / "other", corpus="nemo", path=nemo)
    assert "reused" not in capsys.readouterr().out
    assert digest_tree(one) != digest_tree(other)


def test_fewer_training_speakers_leave_the_others_out_and_the_splits_alone(
    settings: Settings, tmp_path: Path, nemo: Path
) -> None:
    few = ingest(out=tmp_path / "few", corpus="nemo", path=nemo, overrides=("speakers=[KD0, MP0, EB0, WR0]",))
    manifest = load_manifest(few)
    assert (manifest.utterances, manifest.left_out) == (48, 24)
    assert {name: split.speakers for name, split in manifest.splits.items()} == {"train": 1, "dev": 1, "test": 2}


def test_unusable_files_are_set_aside_with_their_reason(settings: Settings, tmp_path: Path, nemo: Path) -> None:
    samples = nemo / "samples"
    (samples / "EB0_anger_1.ogg").write_text("a text")
    (samples / "EB0_fear_1.ogg").write_bytes(b"")
    (samples / "EB0_neutral_1.ogg").unlink()
    (samples / "EB0_sadness_9.wav").write_text("no row of it")
    nan = np.full(4_000, np.nan, dtype=np.float32)
    soundfile.write(samples / "EB0_happiness_1.wav", nan, 16_000, subtype="FLOAT")
    (samples / "EB0_happiness_1.wav").rename(samples / "EB0_happiness_1.ogg")
    out = ingest(out=tmp_path / "out", corpus="nemo", path=nemo, overrides=("max_refused_share=0.2",))
    manifest = load_manifest(out)
    reasons = {"empty": 1, "missing audio": 1, "no transcript": 1, "not a number": 1, "not audio": 1}
    assert manifest.quarantined == reasons
    assert manifest.utterances == 72 - 4
    quarantine = {row["path"]: row["reason"] for row in pq.read_table(out / "quarantine.parquet").to_pylist()}
    assert quarantine["samples/EB0_anger_1.ogg"] == "not audio"
    assert len(list(iter_audio(out))) == 68


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.xz", "zip"])
def test_an_archive_is_as_good_as_its_folder(settings: Settings, tmp_path: Path, nemo: Path, ending: str) -> None:
    kind = {"tar": "tar", "tar.gz": "gztar", "tar.xz": "xztar", "zip": "zip"}[ending]
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), kind, nemo.parent, "nemo"))
    assert archive.name == f"packed.{ending}"
    folder = ingest(out=tmp_path / "folder", corpus="nemo", path=nemo)
    packed = ingest(archive, out=tmp_path / "out", corpus="nemo")
    assert digest_tree(packed) == digest_tree(folder)
    assert not (settings.home / "scratch").exists()


def test_another_archive_is_another_step(
    settings: Settings, tmp_path: Path, nemo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "tar", nemo.parent, "nemo"))
    one = ingest(archive, out=tmp_path / "one", corpus="nemo")
    ingest(archive, out=tmp_path / "again", corpus="nemo")
    assert capsys.readouterr().out.count("reused") == 1
    write_tone(nemo / "samples" / "EB0_anger_1.ogg", hertz=333.0)
    shutil.make_archive(str(tmp_path / "packed"), "tar", nemo.parent, "nemo")
    other = ingest(archive, out=tmp_path / "other", corpus="nemo")
    assert "reused" not in capsys.readouterr().out
    assert digest_tree(one) != digest_tree(other)


def test_other_limits_of_archives_are_another_step(
    settings: Settings, tmp_path: Path, nemo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken under wider limits must not come from the store under narrower ones."""
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "tar", nemo.parent, "nemo"))
    one = ingest(out=tmp_path / "folder", corpus="nemo", path=nemo)
    ingest(archive, out=tmp_path / "one", corpus="nemo")
    shutil.copytree(settings.project_root / "configs", tmp_path / "checkout" / "configs")
    limits = tmp_path / "checkout" / "configs" / "archives.yaml"
    limits.write_text(limits.read_text().replace("max_members: 5_000_000", "max_members: 10"))
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(tmp_path / "checkout"))
    get_settings.cache_clear()
    with pytest.raises(InputError, match="more than 10 members"):
        ingest(archive, out=tmp_path / "other", corpus="nemo")
    again = ingest(out=tmp_path / "again", corpus="nemo", path=nemo)
    assert digest_tree(one) == digest_tree(again)


def test_a_hostile_archive_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "nemo.tar"
    HOSTILE[0].build(archive)
    with pytest.raises(InputError, match="leads out of the folder") as error:
        ingest(archive, out=tmp_path / "out", corpus="nemo")
    assert error.value.exit_code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"nemo.tar", "home"}
    assert not (settings.home / "scratch").exists()


def test_a_link_out_of_the_corpus_is_refused(settings: Settings, tmp_path: Path, nemo: Path) -> None:
    write_tone(tmp_path / "outside.ogg", hertz=333.0)
    (nemo / "samples" / "EB0_anger_1.ogg").unlink()
    (nemo / "samples" / "EB0_anger_1.ogg").symlink_to(tmp_path / "outside.ogg")
    with pytest.raises(InputError, match=r"EB0_anger_1\.ogg is a link to .*outside\.ogg, outside the corpus"):
        ingest(out=tmp_path / "out", corpus="nemo", path=nemo)
    assert not (tmp_path / "out").exists()


def test_erased_speakers_are_withheld_and_make_another_step(settings: Settings, tmp_path: Path, nemo: Path) -> None:
    whole = ingest(out=tmp_path / "whole", corpus="nemo", path=nemo)
    write_tombstones(settings.tombstones_file, Tombstones().with_speaker("KD0"))
    less = ingest(out=tmp_path / "less", corpus="nemo", path=nemo)
    assert (load_manifest(whole).erased, load_manifest(less).erased) == (0, 12)
    assert "KD0" not in read_manifest(less)["speaker_id"].to_pylist()


def spoil_all(nemo: Path) -> None:
    for path in (nemo / "samples").iterdir():
        path.write_text("a text")


def spoil_one(nemo: Path) -> None:
    (nemo / "samples" / "EB0_anger_1.ogg").write_text("a text")


def forget_one(nemo: Path) -> None:
    lines = (nemo / "data.tsv").read_text().splitlines(keepends=True)
    (nemo / "data.tsv").write_text("".join(line for line in lines if "EB0_anger_1.ogg" not in line))


def forget_speaker(nemo: Path) -> None:
    lines = (nemo / "data.tsv").read_text().splitlines(keepends=True)
    (nemo / "data.tsv").write_text("".join(line for line in lines if "MK0" not in line and "WR0" not in line))


def empty_folder(nemo: Path) -> None:
    shutil.rmtree(nemo)
    nemo.mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "nemo does not exist"),
        (empty_folder, "nemo is empty"),
        (lambda nemo: (nemo / "data.tsv").unlink(), "nemo has no data.tsv"),
        (lambda nemo: shutil.rmtree(nemo / "samples"), "nemo has no samples"),
        (spoil_one, "1 of 72 files .*EB0_anger_1.ogg .not audio"),
        (forget_one, "1 of 72 files .*EB0_anger_1.ogg .no transcript"),
        (spoil_all, "72 of 72 files of corpus nemo are unusable"),
        (
            forget_speaker,
            r"24 of 72 files of corpus nemo are unusable .24 no transcript.*--set max_refused_share=0\.34",
        ),
    ],
)
def test_a_wrong_folder_is_one_clear_line_and_nothing_is_written(
    settings: Settings, tmp_path: Path, nemo: Path, spoil: object, message: str
) -> None:
    assert callable(spoil)
    spoil(nemo)
    with pytest.raises(InputError, match=message) as error:
        ingest(out=tmp_path / "out", corpus="nemo", path=nemo)
    assert error.value.exit_code == 2
    assert error.value.remedy
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in {"home", "checkout"}) == ["corpus"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": "nemo"}, "corpus nemo needs --path"),
        ({"corpus": "world", "path": Path("somewhere")}, "--path somewhere is given"),
        ({"corpus": "nimo"}, "no corpus .nimo.; the corpora are .*nemo.*; did you mean .nemo."),
        ({"overrides": ("world.seeed=1",)}, "did you mean 'world.seed'"),
        ({"overrides": ("world.home.accents=[xx-nowhere]", *SMALL)}, "eSpeak NG has no voice"),
        ({"overrides": ("speakers=[nobody]", *SMALL)}, "no speaker 'nobody'"),
        ({"overrides": ("world.home.speakers=0",)}, "has no utterances"),
    ],
)
def test_what_was_asked_wrongly_is_named(
    settings: Settings, tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ingest(out=tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_as_of_a_moment_it_is_the_dataset_of_then_and_what_came_later_computes_nothing_anew(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = describe_corpus(tmp_path / "corpus", 0)
    asked = {"corpus": "lhotse", "path": corpus, "recorded_before": "2026-01-06T02:00:00Z"}
    then = ingest(out=tmp_path / "then", **asked)  # type: ignore[arg-type]
    described = load_manifest(then)
    assert described.recorded_before is not None
    assert described.recorded_before.isoformat() == "2026-01-06T02:00:00+00:00"
    describe_corpus(corpus, 1, 2)
    capsys.readouterr()
    later = ingest(out=tmp_path / "later", **asked)  # type: ignore[arg-type]
    assert "step ingest: reused" in capsys.readouterr().out
    shutil.move(settings.store, tmp_path / "away")
    anew = ingest(out=tmp_path / "anew", **asked)  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "recorded before 2026-01-06T02:00:00+00:00: 2 recorded at it or later are left out\n" in said
    assert digest_tree(then) == digest_tree(later) == digest_tree(anew)
    assert load_manifest(ingest(out=tmp_path / "all", corpus="lhotse", path=corpus)).utterances == 3


def test_as_of_a_moment_before_anything_it_says_so(settings: Settings, tmp_path: Path) -> None:
    corpus = describe_corpus(tmp_path / "corpus", 0, 1)
    with pytest.raises(
        CorpusError, match=r"all 2 utterances of corpus lhotse were recorded at 2026-01-01T00:00:00\+00:00"
    ):
        ingest(out=tmp_path / "out", corpus="lhotse", path=corpus, recorded_before="2026-01-01T00:00:00Z")
    assert not (tmp_path / "out").exists()


def test_rows_before_the_moment_that_change_under_it_are_no_result_and_later_ones_are_no_matter(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = describe_corpus(tmp_path / "corpus", 0)
    read, arriving = job._read, [1]

    def read_while_files_arrive(*asked: object) -> None:
        read(*asked)  # type: ignore[arg-type]
        for day in arriving:
            describe_corpus(corpus, day)

    monkeypatch.setattr(job, "_read", read_while_files_arrive)
    asked = {"corpus": "lhotse", "path": corpus, "recorded_before": "2026-01-06T02:00:00Z"}
    ingest(out=tmp_path / "out", **asked)  # type: ignore[arg-type]
    shutil.move(settings.store, tmp_path / "away")
    arriving[:] = [-1]
    with pytest.raises(IntegrityError, match="changed while ingest read it"):
        ingest(out=tmp_path / "other", **asked)  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists()
