from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.errors import IntegrityError
from voxloop.monitoring.pseudonyms import Pseudonyms, add_key

names = st.text(min_size=1, max_size=20)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "speakers.json"


@given(first=names, second=names, tenant=st.sampled_from(["one", "another"]))
def test_a_pseudonym_is_one_speakers_of_one_tenant(keys: Path, first: str, second: str, tenant: str) -> None:
    pseudonyms = Pseudonyms(keys)
    mine = pseudonyms.name("one", first)
    assert mine == Pseudonyms(keys).name("one", first)
    assert mine[1] == "v1"
    assert (pseudonyms.name(tenant, second) == mine) == ((tenant, second) == ("one", first))
    assert len(mine[0]) == 64


def test_a_new_key_gives_new_names_and_the_old_ones_can_be_found(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    before = Pseudonyms(path).name("t", "anna")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert add_key(path) == "v2"
    after = Pseudonyms(path)
    assert after.name("t", "anna")[0] != before[0]
    assert after.name("t", "anna")[1] == "v2"
    assert after.all_names("t", "anna") == {"v1": before[0], "v2": after.name("t", "anna")[0]}


@pytest.mark.parametrize(
    "content", ["", "{}", '{"keys": {}}', '{"keys": {"1": "ab"}}', '{"keys": {"1": "' + "g" * 64 + '"}}']
)
def test_keys_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(IntegrityError, match="malformed"):
        Pseudonyms(path)


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    Pseudonyms(path)
    path.chmod(0o644)
    with pytest.raises(IntegrityError, match="mode 644"):
        Pseudonyms(path)
