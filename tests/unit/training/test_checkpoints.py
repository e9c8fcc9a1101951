"""Checkpoints: what is saved is what is read, whatever happens to the files in between."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from voxloop.errors import InputError, IntegrityError, VoxloopError
from voxloop.store.digests import digest_json
from voxloop.training.checkpoints import STATE_NAME, TENSORS_NAME, CheckpointStore, read_checkpoint
from voxloop.training.tensors import digest_tensors

TENSORS = {
    "network.weight": torch.arange(6.0).reshape(2, 3),
    "network.half": torch.ones(3, dtype=torch.bfloat16),
    "network.none": torch.zeros(0, 4),
    "optimiser.step": torch.tensor(3.0),
    "network.seen": torch.tensor([True, False]),
}


def fill(root: Path, *steps: int, keep: int = 9) -> list[Path]:
    store = CheckpointStore(root, keep=keep)
    return [store.save(step, TENSORS | {"step": torch.tensor(step)}, {"step": step}) for step in steps]


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def newest(root: Path) -> int | None:
    found = CheckpointStore(root, keep=9).load_newest()
    return None if found is None else found.step


def reseal(place: Path, **changes: object) -> None:
    """Write the state anew as somebody would who knows the format."""
    body = json.loads((place / STATE_NAME).read_text())["checkpoint"] | changes
    (place / STATE_NAME).write_text(json.dumps({"digest": digest_json(body), "checkpoint": body}))


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    (place,) = fill(tmp_path, 7)
    found = read_checkpoint(place)
    assert (found.step, found.state, found.made_for) == (7, {"step": 7}, "")
    assert found.tensors.keys() == {*TENSORS, "step"}
    for name, value in TENSORS.items():
        assert found.tensors[name].dtype == value.dtype
        assert torch.equal(found.tensors[name], value)
    assert names(place) == [STATE_NAME, TENSORS_NAME]


def test_the_newest_few_stay(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2, 10, 100, keep=2)
    assert names(tmp_path) == ["step-000000010", "step-000000100"]
    assert newest(tmp_path) == 100


def test_none_there_is_none(tmp_path: Path) -> None:
    assert newest(tmp_path / "missing") is None


def test_a_broken_one_falls_back_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = fill(tmp_path, 1, 2, 3)
    content = bytearray((places[2] / TENSORS_NAME).read_bytes())
    content[-1] ^= 1
    (places[2] / TENSORS_NAME).write_bytes(content)
    (places[1] / STATE_NAME).unlink()
    before = names(tmp_path)
    store = CheckpointStore(tmp_path, keep=2)
    found = store.load_newest()
    assert found is not None
    assert found.step == 1
    assert names(tmp_path) == before
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "step-000000003 is broken" in lines[0]
    assert "not as it was saved" in lines[0]
    assert "step-000000002 is broken" in lines[1]
    assert all("goes on from step-000000001" in line for line in lines)
    store.save(2, TENSORS, {})
    assert names(tmp_path) == ["step-000000001", "step-000000002-01"]
    assert newest(tmp_path) == 2


def test_with_none_whole_it_starts_afresh_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place,) = fill(tmp_path, 1)
    (place / TENSORS_NAME).write_bytes(b"")
    assert newest(tmp_path) is None
    assert "step-000000001 is broken" in capsys.readouterr().out


def test_a_step_saved_again_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    for state in ("one", "two", "three"):
        store.save(5, TENSORS, {"state": state})
        found = store.load_newest()
        assert found is not None
        assert found.state == {"state": state}
        assert len(names(tmp_path)) == 1


def test_what_is_not_a_checkpoint_is_left_alone(tmp_path: Path) -> None:
    for name in ("step-1", "step-000000001-", "notes", ".hidden", ".doomed-notes", "step-000000009.txt"):
        (tmp_path / name).mkdir()
    before = names(tmp_path)
    fill(tmp_path, 1, 2, keep=1)
    assert names(tmp_path) == sorted([*before, "step-000000002"])
    assert newest(tmp_path) == 2


def test_leftovers_of_any_process_go_with_the_next_save(tmp_path: Path) -> None:
    for name in (
        ".step-000000001.building-1-abcd",  # process 1 is always alive: on the machine before it was another's number
        ".step-000000001-02.building-99-ab_d",
        ".doomed-step-000000001-1234",
        ".doomed-.step-000000001.building-1-abcd-99",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    fill(tmp_path, 4)
    assert names(tmp_path) == ["step-000000004"]


def test_one_of_another_training_is_refused(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, keep=1, made_for="a" * 64).save(1, TENSORS, {})
    for store in (CheckpointStore(tmp_path, keep=1), CheckpointStore(tmp_path, keep=1, made_for="a" * 64)):
        found = store.load_newest()
        assert found is not None
        assert found.made_for == "a" * 64
    with pytest.raises(InputError, match=r"step-000000001 was made for another training \(a{12}\)"):
        CheckpointStore(tmp_path, keep=1, made_for="b" * 64).load_newest()
    fill(tmp_path / "unnamed", 1)
    with pytest.raises(InputError, match="unnamed"):
        CheckpointStore(tmp_path / "unnamed", keep=1, made_for="b" * 64).load_newest()


@pytest.mark.parametrize("state", [{"loss": float("nan")}, {"loss": [float("inf")]}])
def test_a_state_that_is_no_json_is_refused_and_nothing_is_left(tmp_path: Path, state: dict[str, object]) -> None:
    fill(tmp_path, 1)
    with pytest.raises(VoxloopError, match="the checkpoint at step 2 could not be written"):
        CheckpointStore(tmp_path, keep=1).save(2, TENSORS, state)
    assert names(tmp_path) == ["step-000000001"]


def test_weights_that_are_no_numbers_are_not_gone_on_from(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=9)
    store.save(1, TENSORS, {})
    store.save(2, {"network.weight": torch.tensor([1.0, float("nan")])}, {})
    store.save(3, {"network.weight": torch.tensor([1.0, -float("inf")], dtype=torch.bfloat16)}, {})
    assert newest(tmp_path) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"step": 2}, "it is of step 2"),
        ({"step": "1"}, "cannot be read"),
        ({"schema_version": 2}, "it is of schema 2"),
        ({"state": 3}, "cannot be read"),
        ({"tensors_digest": "0" * 64}, "not as it was saved"),
        ({"tensors_bytes": 1}, "at most 1 are read"),
        ({"tensors_bytes": "many"}, "cannot be read"),
    ],
)
def test_a_state_resealed_with_nonsense_is_refused(tmp_path: Path, change: dict[str, object], told: str) -> None:
    (place,) = fill(tmp_path, 1)
    reseal(place, **change)
    with pytest.raises(IntegrityError, match=f"checkpoint step-000000001 is broken: .*{told}"):
        read_checkpoint(place)


def test_a_link_in_place_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (place,) = fill(tmp_path / "root", 1)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="it is a link"):
        read_checkpoint(place)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and digest_tensors(one) == digest_tensors(other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (place,) = fill(tmp_path_factory.mktemp("whole"), 1)
    return place


@given(data=st.data(), name=st.sampled_from([STATE_NAME, TENSORS_NAME]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_noticed_or_harmless(whole: Path, tmp_path: Path, data: st.DataObject, name: str) -> None:
    wanted = read_checkpoint(whole)
    place = tmp_path / whole.name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole, place)
    content = bytearray((place / name).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] = data.draw(st.integers(0, 255))
    else:
        del content[at:]
    (place / name).write_bytes(content)
    try:
        found = read_checkpoint(place)
    except IntegrityError:
        return
    assert (found.step, found.state, found.made_for) == (wanted.step, wanted.state, wanted.made_for)
    assert same(found.tensors, wanted.tensors)


def test_the_digest_is_of_names_kinds_shapes_and_bytes() -> None:
    one = {"a": torch.arange(4.0), "b": torch.tensor(1)}
    others = [
        {"a": torch.arange(4.0), "c": torch.tensor(1)},
        {"a": torch.arange(4.0).reshape(2, 2), "b": torch.tensor(1)},
        {"a": torch.arange(4.0).view(torch.int32), "b": torch.tensor(1)},
        {"a": torch.arange(4.0) + 0.5, "b": torch.tensor(1)},
        {"a": torch.arange(4.0)},
    ]
    assert digest_tensors(one) == digest_tensors({"b": torch.tensor(1), "a": torch.arange(4.0)})
    assert digest_tensors(one) not in {digest_tensors(other) for other in others}
