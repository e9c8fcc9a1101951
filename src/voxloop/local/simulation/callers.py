"""Callers of the gateway: over HTTP, with a key, as anybody would."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from voxloop.errors import VoxloopError
from voxloop.local.simulation.voices import Utterance

TIMEOUT = 60.0
TRIES = 20
"""Of one request, a second apart: the gateway takes a route up within a second, and a promotion may be under way."""
BUSY = (429, 503)


@dataclass(frozen=True)
class Heard:
    """One request and what came of it.

    Args:
        utterance_id: What was said.
        speaker_id: By whom.
        sound: Name of its file.
        emotion: That was played.
        answer: What the caller was told; None where the request failed.
        request_id: Of the answer.
        model_digest: Of who answered.
        problem: Why it failed, in words.
    """

    utterance_id: str
    speaker_id: str
    sound: str
    emotion: str
    answer: str | None = None
    request_id: str = ""
    model_digest: str = ""
    problem: str = ""

    def as_page(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class Callers:
    """Who asks, and who labels.

    Args:
        url: Of the gateway.
        family: That is asked.
        keys: API keys: the first asks; all of them label.
        pause: Seconds between two requests.
    """

    def __init__(self, url: str, family: str, keys: Sequence[str], *, pause: float) -> None:
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)
        self._family, self._keys, self._pause = family, keys, pause

    def ask(self, said: Utterance, sound: Path) -> Heard:
        """Ask about a sound; who speaks lets it be kept."""
        heard = Heard(said.utterance_id, said.speaker_id, sound.name, said.plan()[1])
        headers = {"Content-Type": "audio/flac", "X-Speaker-ID": said.speaker_id, "X-Consent": "audio"}
        answer = self._post(f"/v1/{self._family}", self._keys[0], content=sound.read_bytes(), headers=headers)
        time.sleep(self._pause)
        told = answer.json()
        if not answer.is_success:
            return Heard(**{**heard.as_page(), "problem": f"{answer.status_code}: {str(told.get('detail'))[:200]}"})
        given = {"answer": told["answer"][self._family], "model_digest": told["model_digest"]}
        return Heard(**{**heard.as_page(), **given, "request_id": told["request_id"]})

    def label(self, heard: Sequence[Heard]) -> int:
        """Send what the answers should have been, each key its part; return how many were taken."""
        taken = 0
        for place, one in enumerate(heard):
            body = {"request_id": one.request_id, "label": {self._family: one.emotion}}
            taken += self._post("/v1/feedback", self._keys[place % len(self._keys)], json=body).is_success
        return taken

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _post(
        self, place: str, key: str, *, headers: Mapping[str, str] | None = None, **content: Any
    ) -> httpx.Response:
        for left in range(TRIES, -1, -1):
            try:
                answer = self._client.post(place, headers={"X-API-Key": key, **(headers or {})}, **content)
            except httpx.HTTPError as silent:
                if not left:
                    raise VoxloopError(f"the gateway does not answer ({silent})", remedy="see its log") from None
            else:
                if answer.status_code not in BUSY or not left:
                    return answer
            time.sleep(1.0)
        raise AssertionError("the last try returns or raises")
