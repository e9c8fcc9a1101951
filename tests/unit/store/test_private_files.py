from __future__ import annotations

from pathlib import Path

import pytest

from voxloop.config import StrictModel
from voxloop.errors import IntegrityError
from voxloop.store.private_files import PrivateFile


class Names(StrictModel):
    names: tuple[str, ...] = ()


@pytest.fixture
def file(tmp_path: Path) -> PrivateFile[Names]:
    return PrivateFile(tmp_path / "names.json", Names, writer="the test")


def test_what_another_wrote_is_read_and_what_nobody_wrote_is_the_same_object(
    file: PrivateFile[Names], tmp_path: Path
) -> None:
    assert file.read() is None
    file.write(Names(names=("ann",)))
    first = file.read()
    assert first == Names(names=("ann",))
    assert file.read() is first
    PrivateFile(tmp_path / "names.json", Names, writer="another").write(Names(names=("ben",)))
    assert file.read() == Names(names=("ben",))
    (tmp_path / "names.json").unlink()
    assert file.read() is None


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o640, 0o666])
def test_what_others_may_use_is_refused_each_time(file: PrivateFile[Names], tmp_path: Path, mode: int) -> None:
    file.write(Names())
    file.read()
    (tmp_path / "names.json").chmod(mode)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="may be used by others"):
            file.read()


def test_what_is_malformed_is_refused_each_time_and_names_who_writes_it(
    file: PrivateFile[Names], tmp_path: Path
) -> None:
    (tmp_path / "names.json").write_text('{"nomes": []}')
    (tmp_path / "names.json").chmod(0o600)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="the test alone writes it"):
            file.read()
