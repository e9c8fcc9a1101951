from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.decoder_killers import DEEDS
from voxloop.data.heard_speakers import Heard, Known
from voxloop.errors import ServiceUnavailableError
from voxloop.gateway.config import ProfilesConfig
from voxloop.gateway.profile_keeper import Failed, Order, ProfileKeeper, name_speaker
from voxloop.monitoring.pseudonyms import Pseudonyms

AT = datetime(2026, 1, 2, tzinfo=UTC)
TENANTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
SPEAKERS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=128)
BUSY_SECONDS = 0.8


def do_deed(_journal: Path, most: int, order: Order | None) -> Known | Failed | None:
    """Do what the utterance's id names; any other speaker is known by the most that are kept."""
    if order is None:
        return None
    deed = order.heard.utterance_id
    if deed in DEEDS:
        DEEDS[deed]()
    if deed == "busy":
        time.sleep(BUSY_SECONDS)
    return Failed("the store is away", "it answers", "wait") if deed == "away" else Known(most, {order.speaker: 1.0})


def fail(_journal: Path, _most: int, _order: Order | None) -> Failed:
    return Failed("nothing was published yet", "declarations are applied first", "publish")


@contextmanager
def keeping(folder: Path, **changes: float) -> Iterator[ProfileKeeper]:
    config = ProfilesConfig.model_validate({"seconds": 20.0, "waiting": 4, "utterances": 7, **changes})
    keeper = ProfileKeeper(config, folder / "keys.json", folder / "heard.db", preload=[], work=do_deed)
    keeper.start()
    try:
        until = time.monotonic() + 200
        while keeper.warnings():
            assert time.monotonic() < until, keeper.warnings()
            time.sleep(0.05)
        yield keeper
    finally:
        keeper.stop()


def hear(deed: str = "") -> Heard:
    return Heard(deed, AT, 1.0, {}, None, None)


@pytest.fixture(scope="module")
def pseudonyms(tmp_path_factory: pytest.TempPathFactory) -> Pseudonyms:
    return Pseudonyms(tmp_path_factory.mktemp("keys") / "keys.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=st.tuples(TENANTS, SPEAKERS), other=st.tuples(TENANTS, SPEAKERS))
def test_two_share_a_name_only_where_tenant_and_speaker_are_the_same(
    pseudonyms: Pseudonyms, one: tuple[str, str], other: tuple[str, str]
) -> None:
    names = [name_speaker(pseudonyms, *who) for who in (one, other, one)]
    assert names[0] == names[2]
    assert (names[0] == names[1]) == (one == other)
    assert name_speaker(pseudonyms, f"{one[0]}x", one[1]) != name_speaker(pseudonyms, one[0], f"x{one[1]}")


@given(tenant=TENANTS, speaker=SPEAKERS)
def test_a_name_tells_neither_tenant_nor_speaker(pseudonyms: Pseudonyms, tenant: str, speaker: str) -> None:
    version, _, name = name_speaker(pseudonyms, tenant, speaker).partition(".")
    assert version == "v1"
    assert len(name) == 64
    assert set(name) <= set("0123456789abcdef")
    assert len(tenant) < 8 or tenant not in name
    assert len(speaker) < 8 or speaker not in name


def test_an_utterance_is_kept_under_the_tenants_name_of_its_speaker(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        known = [asyncio.run(keeper.take(tenant, "ada", hear())) for tenant in ("a", "b", "a")]
    expected = [name_speaker(Pseudonyms(tmp_path / "keys.json"), tenant, "ada") for tenant in ("a", "b", "a")]
    assert known == [Known(7, {name: 1.0}) for name in expected]


def test_who_kills_the_process_is_told_and_the_next_is_kept(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        with pytest.raises(ServiceUnavailableError, match="gone: its process ended with SIGKILL"):
            asyncio.run(keeper.take("a", "ada", hear("kill")))
        assert keeper.warnings()
        until = time.monotonic() + 200
        while keeper.warnings():  # nobody asks, and it comes back
            assert time.monotonic() < until
            time.sleep(0.05)
        assert asyncio.run(keeper.take("a", "ada", hear())).utterances == 7


def test_a_store_that_is_away_is_told_and_nobody_waits_while_it_is(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        for _ in range(2):  # the second is not even given to the process
            with pytest.raises(ServiceUnavailableError, match="the store is away") as told:
                asyncio.run(keeper.take("a", "ada", hear("away")))
            assert (told.value.rule, told.value.remedy) == ("it answers", "wait")
        assert keeper.warnings() == ["profiles of speakers: the store is away"]


def test_a_store_that_was_never_open_is_told_from_the_start(tmp_path: Path) -> None:
    config = ProfilesConfig(seconds=20.0, waiting=4, utterances=7)
    keeper = ProfileKeeper(config, tmp_path / "keys.json", tmp_path / "heard.db", preload=[], work=fail)
    assert keeper.warnings() == []  # nobody has needed it
    with pytest.raises(ServiceUnavailableError, match="not begun yet"):
        asyncio.run(keeper.take("a", "ada", hear()))
    try:
        until = time.monotonic() + 200
        while "nothing was published yet" not in keeper.warnings()[0]:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        keeper.stop()


def test_nobody_waits_longer_than_allowed_nor_behind_too_many(tmp_path: Path) -> None:
    async def ask(keeper: ProfileKeeper) -> list[str]:
        told = await asyncio.gather(*(keeper.take("a", "ada", hear("busy")) for _ in range(4)), return_exceptions=True)
        return [str(one) for one in told]

    with keeping(tmp_path, seconds=BUSY_SECONDS / 4, waiting=2) as keeper:
        told = asyncio.run(ask(keeper))
    assert sum("no profile within 0.2 s" in one for one in told) >= 2
    assert sum("2 utterances wait" in one for one in told) >= 1


def test_keys_that_others_may_use_name_nobody(tmp_path: Path) -> None:
    Pseudonyms(tmp_path / "keys.json")
    (tmp_path / "keys.json").chmod(0o644)
    with keeping(tmp_path) as keeper, pytest.raises(Exception, match="may be used by others"):
        asyncio.run(keeper.take("a", "ada", hear()))
