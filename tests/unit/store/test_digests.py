from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.store.digests import (
    RECORD_NAME,
    canonical_json,
    code_digest,
    digest_file,
    digest_json,
    digest_tree,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_file_digest_is_plain_sha256(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert digest_file(path) == hashlib.sha256(b"abc").hexdigest()


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    assert digest_json(value) == digest_json(dict(reversed(value.items())))


def test_json_refuses_what_json_does_not_know() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": float("nan")})


@pytest.mark.parametrize(
    "changed", [{"a": "1", "b/c": "3"}, {"a": "1"}, {"a": "1", "b/d": "2"}, {"a": "1", "b/c": "2", "e": ""}]
)
def test_a_changed_added_removed_or_renamed_file_changes_the_digest(tmp_path: Path, changed: dict[str, str]) -> None:
    before = fill(tmp_path / "before", {"a": "1", "b/c": "2"})
    assert digest_tree(before) != digest_tree(fill(tmp_path / "after", changed))


def test_the_record_is_no_part_of_a_folder(tmp_path: Path) -> None:
    plain = fill(tmp_path / "plain", {"a": "1"})
    recorded = fill(tmp_path / "recorded", {"a": "1", RECORD_NAME: "{}"})
    assert digest_tree(plain) == digest_tree(recorded)


def test_the_code_has_a_digest() -> None:
    assert len(code_digest()) == 64
