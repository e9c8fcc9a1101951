from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxloop.data.corpora.tables import TableForm, index_rows, read_rows
from voxloop.errors import CorpusError

FORM = TableForm(columns=("a", "b"), key="a")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "lacks the column a"),
        (b"a;b\n1;2\n", "lacks the column a"),
        (b"a,c\n1,2\n", "lacks the column b"),
        (b"a,b\n", "has no rows"),
        (b"a,b\n1,2\n3\n", "has fewer fields than its header in line 3"),
        (b"a,b\n1,2,3\n", "has more fields than its header in line 2"),
        (b"a,b\n1,2\n1,3\n", "names 1 twice, again in line 3"),
        (b"a,b\n\xff,2\n", "is not UTF-8 text"),
        (b'a,b\n"1,2\n3,4\n', "has fewer fields"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n", "is broken in line 2"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused_with_its_line(tmp_path: Path, content: bytes, problem: str) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"table\.csv {problem}.*its columns are a b; restore the file"):
        read_rows(table, FORM)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"table\.csv does not exist"):
        read_rows(tmp_path / "table.csv", FORM)


def test_columns_nobody_asked_for_are_not_kept_and_a_byte_order_mark_is_no_name(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,x,b\n1,2,3\n", encoding="utf-8-sig")
    assert index_rows(tmp_path / "table.csv", FORM) == {"1": {"a": "1", "b": "3"}}


def test_quotes_are_text_where_fields_are_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "table.tsv").write_text('a\tb\n1\t"so\n', encoding="utf-8")
    form = TableForm(columns=("a", "b"), delimiter="\t", quoted=False)
    assert read_rows(tmp_path / "table.tsv", form) == [{"a": "1", "b": '"so'}]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8))
def test_what_csv_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    table = tmp_path_factory.mktemp("tables") / "table.csv"
    table.write_bytes(text.getvalue().encode())
    assert [tuple(row.values()) for row in read_rows(table, TableForm(columns=("a", "b")))] == rows
