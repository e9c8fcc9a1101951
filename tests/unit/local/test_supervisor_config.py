from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.datatypes import dict_of_key_value_pairs, list_of_strings
from supervisor.options import UnhosedConfigParser

from voxloop.errors import ConfigError
from voxloop.local.programs import Program
from voxloop.local.supervisor_config import program_section, render_config, render_environment, render_section

# What a path or a value may hold on this machine; what supervisord cannot be told is tested below.
TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters='";#\x7f\x85\xa0\xad'), max_size=20
)


def program(argv: tuple[str, ...] = ("true",), environment: dict[str, str] | None = None) -> Program:
    return Program(
        name="one", address="", health="", log=Path("/logs/one.log"), argv=argv, environment=environment or {}
    )


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), TEXT, min_size=1, max_size=3))
def test_supervisord_reads_the_environment_we_write(environment: dict[str, str]) -> None:
    environment = {key: value.strip("'") for key, value in environment.items()}
    assert dict_of_key_value_pairs(render_environment(environment)) == environment


@given(TEXT.map(str.strip).filter(bool))
def test_supervisord_reads_the_value_we_write(value: str) -> None:
    parser = UnhosedConfigParser()
    parser.read_string(render_section("program:one", {"key": value}))
    assert parser.get("program:one", "key", raw=True) % {} == value


@pytest.mark.parametrize("bad", ["/home/a ;b", "/home/a #b", "/home/a\nb"])
def test_a_value_it_would_misread_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="VOXLOOP_HOME"):
        render_section("supervisord", {"logfile": bad})


@pytest.mark.parametrize("bad", ['a"b', "'a", "a'"])
def test_quotes_it_would_lose_are_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="KEY"):
        render_environment({"KEY": bad})


def test_a_program_is_stopped_with_all_it_started() -> None:
    section = program_section(program(("a b", "c")))
    assert section["command"] == "'a b' c"
    assert (section["stopasgroup"], section["killasgroup"], section["autostart"]) == ("true", "true", "false")


def test_all_programs_are_one_group() -> None:
    parser = UnhosedConfigParser()
    text = render_config([program()], socket=Path("/run/s"), run=Path("/run"), logs=Path("/logs"))
    parser.read_string(text)
    assert list_of_strings(parser.get("group:voxloop", "programs")) == ["one"]
    assert parser.get("unix_http_server", "chmod") == "0600"
