from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from voxloop.errors import InputError, IntegrityError
from voxloop.settings import Settings
from voxloop.store import atomic
from voxloop.store.atomic import write_file
from voxloop.store.digests import RECORD_NAME
from voxloop.store.job_store import read_record, read_runner_key, run_step
from voxloop.store.sweep import hold_store


class Work:
    """A step's work that counts how often it was really done."""

    def __init__(self, text: str = "result") -> None:
        self.text = text
        self.done = 0

    def __call__(self, folder: Path) -> None:
        self.done += 1
        (folder / "deep").mkdir()
        (folder / "deep" / "x.txt").write_text(self.text, encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_text("data", encoding="utf-8")
    return path


def run(work: Callable[[Path], None], out: Path, data: Path | None, **config: object) -> Path:
    return run_step("step", inputs={"data": data}, config=config, out=out, work=work)


def only_result(settings: Settings) -> Path:
    (found,) = (path for path in (settings.store / "step").iterdir() if not path.name.startswith("."))
    return found


def test_a_finished_step_is_not_done_again(
    settings: Settings, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Work()
    for name in ("first", "second"):
        out = run(work, tmp_path / name, data)
        assert (out / "deep" / "x.txt").read_text(encoding="utf-8") == "result"
    assert work.done == 1
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["computed", "reused"]


def test_another_input_or_configuration_is_another_result(settings: Settings, data: Path, tmp_path: Path) -> None:
    work = Work()
    run(work, tmp_path / "a", data, size=1)
    run(work, tmp_path / "b", data, size=2)
    data.write_text("other", encoding="utf-8")
    run(work, tmp_path / "c", data, size=1)
    run(work, tmp_path / "d", None, size=1)
    assert work.done == 4


def test_other_code_is_another_result(
    settings: Settings, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    run(work, tmp_path / "a", data)
    monkeypatch.setattr("voxloop.store.job_store.code_digest", lambda: "another")
    run(work, tmp_path / "b", data)
    assert work.done == 2


def change_byte(result: Path) -> None:
    file = result / "deep" / "x.txt"
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)


def add_file(result: Path) -> None:
    result.chmod(0o755)
    (result / "extra").write_text("", encoding="utf-8")


def remove_file(result: Path) -> None:
    (result / "deep").chmod(0o755)
    (result / "deep" / "x.txt").unlink()


def forge_record(result: Path) -> None:
    """Change a file and write its new digest into the record, as one without the runner's key could."""
    change_byte(result)
    record = result / RECORD_NAME
    content = json.loads(record.read_text(encoding="utf-8"))
    from voxloop.store.digests import list_files

    content["outputs"] = list_files(result)
    record.chmod(0o644)
    record.write_text(json.dumps(content), encoding="utf-8")


def truncate_record(result: Path) -> None:
    record = result / RECORD_NAME
    record.chmod(0o644)
    record.write_bytes(record.read_bytes()[:20])


def remove_record(result: Path) -> None:
    result.chmod(0o755)
    (result / RECORD_NAME).unlink()


@pytest.mark.parametrize(
    "spoil",
    [change_byte, add_file, remove_file, forge_record, truncate_record, remove_record],
    ids=lambda f: f.__name__,
)
def test_a_spoilt_result_is_put_aside_and_made_again(
    settings: Settings,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
) -> None:
    work = Work()
    run(work, tmp_path / "a", data)
    spoil(only_result(settings))
    out = run(work, tmp_path / "b", data)
    assert work.done == 2
    assert (out / "deep" / "x.txt").read_text(encoding="utf-8") == "result"
    assert "put aside" in capsys.readouterr().out
    run(work, tmp_path / "c", data)
    assert work.done == 2


def test_a_result_sealed_by_another_runner_is_not_believed(settings: Settings, data: Path, tmp_path: Path) -> None:
    work = Work()
    run(work, tmp_path / "a", data)
    settings.runner_key_file.unlink()
    run(work, tmp_path / "b", data)
    assert work.done == 2


def test_kept_results_are_read_only_and_copies_are_free(settings: Settings, data: Path, tmp_path: Path) -> None:
    out = run(Work(), tmp_path / "a", data)
    kept = only_result(settings)
    assert {path.stat().st_mode & 0o222 for path in [kept, *kept.rglob("*")]} == {0}
    (out / "deep" / "x.txt").write_text("mine", encoding="utf-8")
    assert (kept / "deep" / "x.txt").read_text(encoding="utf-8") == "result"


def test_a_step_that_fails_leaves_nothing_and_keeps_nothing(settings: Settings, data: Path, tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("", encoding="utf-8")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail, tmp_path / "outs" / "a", data)
    assert list((tmp_path / "outs").iterdir()) == []
    assert not (settings.store / "step").exists()


def test_a_missing_input_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist; step reads it as --data"):
        run(Work(), tmp_path / "a", tmp_path / "nowhere")


def test_the_record_beside_the_outputs_says_what_they_were_made_from(
    settings: Settings, data: Path, tmp_path: Path
) -> None:
    record = read_record(run(Work(), tmp_path / "a", data, size=1))
    assert record is not None
    assert (record.step, record.config, list(record.outputs)) == ("step", {"size": 1}, ["deep/x.txt"])
    assert record.is_authentic(read_runner_key(settings.runner_key_file))


def test_the_key_is_readable_by_its_owner_alone(settings: Settings) -> None:
    assert len(read_runner_key(settings.runner_key_file)) == 32
    assert settings.runner_key_file.stat().st_mode & 0o777 == 0o600


def test_a_step_killed_while_it_keeps_its_result_is_done_again(settings: Settings, data: Path, tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from voxloop.store import job_store, kept_results
kept_results.sync_tree = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
job_store.run_step("step", inputs={{"data": Path({str(data)!r})}}, config={{}}, out=Path({str(tmp_path / "outs" / "a")!r}),
    work=lambda folder: (folder / "half").write_text("x"))
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -9
    work = Work()
    run(work, tmp_path / "outs" / "a", data)
    assert work.done == 1
    assert [path.name for path in (tmp_path / "outs").iterdir()] == ["a"]
    assert only_result(settings).is_dir()
    assert not [path for path in (settings.store / "step").iterdir() if path.name.startswith(".")]
    shutil.rmtree(tmp_path / "outs")


def test_an_input_that_changes_meanwhile_keeps_nothing(settings: Settings, data: Path, tmp_path: Path) -> None:
    def change_while_reading(folder: Path) -> None:
        (folder / "x").write_text(data.read_text(encoding="utf-8"), encoding="utf-8")
        data.write_text("other", encoding="utf-8")

    with pytest.raises(IntegrityError, match="changed while step read it"):
        run(change_while_reading, tmp_path / "a", data)
    assert not (tmp_path / "a").exists()
    assert not (settings.store / "step").exists()


@pytest.mark.parametrize("earlier", [None, "one"])
def test_a_step_that_ran_while_somebody_was_erased_brings_nothing_back(
    settings: Settings, data: Path, tmp_path: Path, earlier: str | None
) -> None:
    if earlier is not None:
        write_file(settings.tombstones_file, earlier)

    def erase_while_reading(folder: Path) -> None:
        (folder / "x").write_text(data.read_text(encoding="utf-8"), encoding="utf-8")
        with hold_store(settings.store, alone=True):  # the lock is free while a step works
            write_file(settings.tombstones_file, "another")

    with pytest.raises(IntegrityError, match="somebody was erased while step ran"):
        run(erase_while_reading, tmp_path / "outs" / "a", data)
    assert list((tmp_path / "outs").iterdir()) == []
    assert not (settings.store / "step").exists()
    assert run(Work(), tmp_path / "outs" / "a", data).is_dir(), "run again it is made"


def test_no_erasure_comes_between_the_check_and_the_name(
    settings: Settings, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a"
    true, tried = atomic.sync_tree, []

    def try_to_erase(folder: Path) -> None:
        with settings.store.with_name(".store.lock").open("a") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tried.append(folder)
        true(folder)

    monkeypatch.setattr(atomic, "sync_tree", try_to_erase)  # what comes last before the rename
    run(Work(), out, data)
    assert len(tried) == 1


def test_other_libraries_are_another_result(
    settings: Settings, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    run(work, tmp_path / "a", data)
    monkeypatch.setattr("voxloop.store.job_store.library_versions", lambda: {"torch": "another"})
    run(work, tmp_path / "b", data)
    assert work.done == 2


@pytest.mark.parametrize("key", [b"", b"short"])
def test_a_spoilt_key_seals_nothing(settings: Settings, data: Path, tmp_path: Path, key: bytes) -> None:
    settings.home.mkdir(parents=True)
    settings.runner_key_file.write_bytes(key)
    with pytest.raises(IntegrityError, match="the runner's key has 32"):
        run(Work(), tmp_path / "a", data)
