"""Whether Triton serves a model as the one it is named by, asked without its client, which takes its time to import."""

from __future__ import annotations

import json
import urllib.error
from http import HTTPStatus
from typing import TYPE_CHECKING

from voxloop.adapters.direct_http import open_directly
from voxloop.adapters.triton_errors import unavailable
from voxloop.adapters.triton_keys import make_inference_headers, other_key

if TYPE_CHECKING:
    from voxloop.settings import Settings

SECONDS = 5.0


def is_served(settings: Settings, name: str, digest: str) -> bool:
    """Return whether Triton has `name` loaded and ready, with the model `digest`.

    Raises:
        ServiceUnavailableError: Triton does not answer.
        VoxloopError: It was started with another key.
    """
    opener, url = open_directly(), f"{settings.triton_url}/v2/models/{name}"
    opener.addheaders += make_inference_headers(settings).items()
    try:
        with opener.open(f"{url}/ready", timeout=SECONDS):
            pass
        with opener.open(f"{url}/config", timeout=SECONDS) as answer:
            parameters = json.load(answer).get("parameters", {})
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code == HTTPStatus.FORBIDDEN:
            raise other_key(settings, name) from None
        return False
    except (OSError, ValueError) as silent:
        raise unavailable(settings, type(silent).__name__) from None
    return bool(parameters.get("model_digest", {}).get("string_value") == digest)
