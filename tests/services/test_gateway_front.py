"""The gateway asked by a promotion: with its own key, through HTTP, which model answers callers now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import set_home
from tests.services.gateway_platform import GatewayPlatform, wait_for
from tests.services.pipeline_folders import write_model
from voxloop.adapters.gateway_front import GatewayFront
from voxloop.errors import ServiceUnavailableError
from voxloop.gateway.keys import PLATFORM, KeyBook
from voxloop.gateway.service_key import keep_service_key
from voxloop.settings import Settings, find_project_root, get_settings, now

pytestmark = pytest.mark.slow  # a Triton and a gateway of its own


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayPlatform]:
    with pytest.MonkeyPatch.context() as patch:
        if not (find_project_root() / ".venv-triton" / "bin" / "python").exists():
            pytest.skip("no Triton environment")
        platform = GatewayPlatform(set_home(patch, tmp_path_factory.mktemp("front")))
        with platform.triton():
            for name, gain in (("one", 1.0), ("two", 2.0)):
                write_model(made := tmp_path_factory.mktemp("models") / name, task="emotion", gain=gain)
                platform.stage(name, "emotion", made)
            yield platform
    get_settings.cache_clear()


def test_who_answers_follows_the_route_and_is_nobody_without_a_gateway(
    served: GatewayPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    front = GatewayFront(served.settings)
    assert front.read_answering("emotion") is None
    with served.gateway():
        assert oct(served.settings.gateway_service_key.stat().st_mode & 0o777) == "0o600"
        with pytest.raises(ServiceUnavailableError, match="503: .*emotion has no route"):
            front.read_answering("emotion")
        assert front.read_answering("personality") is None, "it hears no sound of its own"
        for name in ("one", "two", "one"):
            served.route("emotion", name)
            took = wait_for(lambda: answers(front) == served.digests[name], 30)  # noqa: B023
            with capsys.disabled():
                print(f"from the route's row to a caller answered by it: {took:.2f} s")
        key = served.settings.gateway_service_key.read_text()
        served.settings.gateway_service_key.unlink()
        with pytest.raises(ServiceUnavailableError, match=r"no .*service\.key.*start the gateway again"):
            front.read_answering("emotion")
    assert key not in served.log.read_text()
    assert front.read_answering("emotion") is None


def answers(front: GatewayFront) -> str | None:
    try:
        return front.read_answering("emotion")
    except ServiceUnavailableError:
        return None


def test_the_key_is_made_once_and_anew_when_it_is_lost(settings: Settings) -> None:
    book, path = KeyBook(settings.gateway_keys), settings.gateway_service_key
    keep_service_key(settings, now())
    first = path.read_text()
    keep_service_key(settings, now())
    assert path.read_text() == first
    path.unlink()
    keep_service_key(settings, now())
    assert path.read_text() != first
    assert book.find(first) is None, "who found the old one has nothing"
    assert [key.tenant for key in book.list_keys()] == [PLATFORM]
    book.revoke(book.list_keys()[0].key_id)
    keep_service_key(settings, now())
    assert book.find(path.read_text()) is not None
