"""Steps that go on where they were stopped, and nobody else's work taken for theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from voxloop.data.erasure_places import remove_debris
from voxloop.errors import IntegrityError
from voxloop.settings import Settings, now
from voxloop.store.atomic import write_file
from voxloop.store.job_store import read_record, recomputing, run_resumable_step
from voxloop.store.retention import Needs, RetentionConfig, plan_sweep
from voxloop.store.retention_lineage import read_entries
from voxloop.store.unfinished import discard_unfinished, find_unfinished, hold_unfinished

CONFIG = RetentionConfig(nights=1, run_days=1, grace_hours=1, prediction_days=1, profile_days=1, spoilt_days=1)


class Counting:
    """Work in five parts, each noted in the folder it keeps; it stops before the part it is told."""

    def __init__(self, stop_before: int | None = None) -> None:
        self.stop_before = stop_before
        self.did: list[int] = []

    def __call__(self, folder: Path, unfinished: Path) -> None:
        for part in range(5):
            if part == self.stop_before:
                raise ZeroDivisionError
            if not (unfinished / str(part)).exists():
                self.did.append(part)
                (unfinished / str(part)).touch()
        (folder / "parts").write_text("01234", encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_text("data", encoding="utf-8")
    return path


def run(work: Counting, out: Path, data: Path, **config: object) -> Path:
    return run_resumable_step("count", inputs={"data": data}, config=config, out=out, work=work)


def stop(data: Path, out: Path, before: int = 3) -> None:
    with pytest.raises(ZeroDivisionError):
        run(Counting(before), out, data)
    assert not out.exists()


def test_it_goes_on_where_it_was_stopped_and_leaves_nothing(settings: Settings, data: Path, tmp_path: Path) -> None:
    stop(data, tmp_path / "a")
    assert len(find_unfinished(settings.store)[0]) == 1
    work = Counting()
    run(work, tmp_path / "a", data)
    assert work.did == [3, 4]
    assert find_unfinished(settings.store) == ([], [])
    assert list((settings.store / ".unfinished" / "count").iterdir()) == []
    run(again := Counting(), tmp_path / "b", data)
    assert again.did == []


def test_other_inputs_and_other_configurations_start_afresh(settings: Settings, data: Path, tmp_path: Path) -> None:
    stop(data, tmp_path / "a")
    run(work := Counting(), tmp_path / "b", data, size=2)
    data.write_text("other", encoding="utf-8")
    run(other := Counting(), tmp_path / "c", data)
    assert work.did == other.did == [0, 1, 2, 3, 4]


def test_what_was_done_before_an_erasure_is_not_gone_on_with(settings: Settings, data: Path, tmp_path: Path) -> None:
    stop(data, tmp_path / "a")
    write_file(settings.tombstones_file, "somebody")
    run(work := Counting(), tmp_path / "a", data)
    assert work.did == [0, 1, 2, 3, 4]


def test_what_came_of_changed_inputs_is_thrown_away(settings: Settings, data: Path, tmp_path: Path) -> None:
    class Changing(Counting):
        def __call__(self, folder: Path, unfinished: Path) -> None:
            super().__call__(folder, unfinished)
            data.write_text("other", encoding="utf-8")

    with pytest.raises(IntegrityError, match="changed while count read it"):
        run(Changing(), tmp_path / "a", data)
    data.write_text("data", encoding="utf-8")
    run(work := Counting(), tmp_path / "a", data)
    assert work.did == [0, 1, 2, 3, 4]


def test_a_broken_input_found_by_the_work_itself_costs_nothing(settings: Settings, data: Path, tmp_path: Path) -> None:
    class Failing(Counting):
        def __call__(self, folder: Path, unfinished: Path) -> None:
            super().__call__(folder, unfinished)
            raise IntegrityError("a shard cannot be read")

    with pytest.raises(IntegrityError, match="a shard"):
        run(Failing(), tmp_path / "a", data)
    run(work := Counting(), tmp_path / "a", data)
    assert work.did == []


def test_the_second_of_two_waits_and_takes_the_firsts_result(
    settings: Settings, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started, go = threading.Event(), threading.Event()

    class Slow(Counting):
        def __call__(self, folder: Path, unfinished: Path) -> None:
            started.set()
            assert go.wait(30)
            super().__call__(folder, unfinished)

    first, second = Slow(), Counting()
    one = threading.Thread(target=run, args=(first, tmp_path / "a", data))
    two = threading.Thread(target=run, args=(second, tmp_path / "b", data))
    one.start()
    assert started.wait(30)
    two.start()
    time.sleep(0.3)
    go.set()
    one.join(30)
    two.join(30)
    assert (first.did, second.did) == ([0, 1, 2, 3, 4], [])
    assert (tmp_path / "b" / "parts").read_text(encoding="utf-8") == "01234"
    assert "another process computes" in capsys.readouterr().out
    assert find_unfinished(settings.store) == ([], [])


def test_a_killed_process_lets_go(settings: Settings) -> None:
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom voxloop.store.unfinished import hold_unfinished\n"
        f"with hold_unfinished(Path({str(settings.store)!r}), 'count', 'k') as held:\n"
        "    (held.open('') / 'x').touch()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with hold_unfinished(settings.store, "count", "k") as held:
        assert (held.open("") / "x").exists()


def test_computed_again_it_takes_neither_the_result_nor_what_was_left(
    settings: Settings, data: Path, tmp_path: Path
) -> None:
    out = run(Counting(), tmp_path / "a", data)
    with recomputing(read_record(out)):
        run(work := Counting(), tmp_path / "b", data)
        with pytest.raises(IntegrityError, match="its configuration is not what step count was computed from"):
            run(Counting(), tmp_path / "c", data, size=2)
        data.write_text("other", encoding="utf-8")
        with pytest.raises(IntegrityError, match="its input data is not what step count was computed from"):
            run(Counting(), tmp_path / "c", data)
    assert work.did == [0, 1, 2, 3, 4]
    assert find_unfinished(settings.store) == ([], [])


def test_nobody_takes_it_for_a_result(settings: Settings, data: Path, tmp_path: Path) -> None:
    stop(data, tmp_path / "a")
    assert read_entries(settings.store) == ([], [])


@pytest.mark.parametrize("held", [False, True])
def test_old_ones_are_swept_unless_a_process_works_on_them(
    settings: Settings, data: Path, tmp_path: Path, held: bool
) -> None:
    stop(data, tmp_path / "a")
    ((place,), _) = find_unfinished(settings.store)
    young = plan_sweep(settings, Needs(), CONFIG, now())
    assert {item.why for item in young.keep if item.kind == "unfinished steps"} == {"in grace"}
    old = (now() - timedelta(hours=3)).timestamp()
    for path in (place, *place.rglob("*")):
        os.utime(path, (old, old))
    if held:
        with hold_unfinished(settings.store, place.parent.name, place.name):
            plan = plan_sweep(settings, Needs(), CONFIG, now())
            discard_unfinished(settings.store, place.parent.name, place.name)
        assert place.is_dir()
    else:
        plan = plan_sweep(settings, Needs(), CONFIG, now())
    found = [item for item in (plan.keep if held else plan.free) if item.kind == "unfinished steps"]
    assert [(item.place, item.why) for item in found] == [
        (place, "a process works on it" if held else "nobody went on with it")
    ]


def test_an_erasure_deletes_it_or_says_that_a_process_works_on_it(
    settings: Settings, data: Path, tmp_path: Path
) -> None:
    stop(data, tmp_path / "a")
    ((place,), _) = find_unfinished(settings.store)
    with hold_unfinished(settings.store, place.parent.name, place.name):
        assert remove_debris(settings, []) == (0, [place])
    assert remove_debris(settings, []) == (1, [])
    assert not place.exists()
