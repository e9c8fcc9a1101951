"""The gateway as a caller meets it: which model answers a family."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING

from voxloop.adapters.direct_http import open_directly
from voxloop.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from voxloop.settings import Settings

HEALTH_SECONDS, ANSWER_SECONDS = 2.0, 30.0


class GatewayFront:
    """The gateway at `settings.gateway_url`, asked with the platform's own key."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def read_answering(self, task: str) -> str | None:
        """Return the digest of the model that answers a golden sound.

        None where nobody can be asked: nothing listens where a gateway would, or the family hears no sound of its own.

        Raises:
            ServiceUnavailableError: What listens there does not answer in time or answers otherwise than a gateway that
                is well, or there is no key to ask it with.
        """
        from voxloop.tasks import get_task

        if not get_task(task).AUDIO or not self._is_running(task):
            return None
        try:
            with open_directly().open(self._make_request(task), timeout=ANSWER_SECONDS) as answer:
                return str(json.load(answer)["model_digest"])
        except urllib.error.HTTPError as refused:
            with refused:
                said = refused.read(2000).decode(errors="replace")
            raise self._silent(task, f"{refused.code}: {said}") from None
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as failed:
            raise self._silent(task, type(failed).__name__) from None

    def _is_running(self, task: str) -> bool:
        try:
            with open_directly().open(f"{self.settings.gateway_url}/healthz", timeout=HEALTH_SECONDS):
                return True
        except urllib.error.HTTPError as refused:
            refused.close()
            raise self._silent(task, f"/healthz: {refused.code}") from None
        except (OSError, HTTPException) as failed:
            # A gateway that is stopped or busy is no gateway that is not there: its callers are asked for.
            cause = failed.reason if isinstance(failed, urllib.error.URLError) else failed
            if isinstance(cause, ConnectionRefusedError):
                return False
            raise self._silent(task, f"/healthz: {type(cause).__name__}") from None

    def _make_request(self, task: str) -> urllib.request.Request:
        from voxloop.speech.golden import golden_waveform
        from voxloop.speech.waveform import encode_flac

        try:
            key = self.settings.gateway_service_key.read_text(encoding="ascii")
        except OSError:
            raise ServiceUnavailableError(
                f"there is no {self.settings.gateway_service_key}",
                rule="a promotion asks the gateway that runs, with a key of its own",
                remedy="start the gateway again, which makes it: voxloop down, voxloop up",
            ) from None
        return urllib.request.Request(  # noqa: S310 - our own address
            f"{self.settings.gateway_url}/v1/{task}",
            data=encode_flac(golden_waveform(1.0, 0)),
            headers={"Content-Type": "audio/flac", "X-API-Key": key},
        )

    def _silent(self, task: str, cause: str) -> ServiceUnavailableError:
        return ServiceUnavailableError(
            f"the gateway at {self.settings.gateway_url} does not answer for {task} ({cause[:300]})",
            rule="after a flip a caller is answered",
            remedy="docs/runbooks/gateway.md",
        )
