from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxloop.store.secret_hashes import hash_secret, is_secret


@given(st.text(), st.text())
def test_a_secret_is_what_was_hashed_and_nothing_else(one: str, other: str) -> None:
    assert is_secret(one, hash_secret(one))
    assert is_secret(other, hash_secret(one)) == (one == other)
    assert not is_secret(one, None)


def test_where_there_is_nobody_nothing_is_the_secret_not_even_nothing() -> None:
    assert not is_secret("", None)
