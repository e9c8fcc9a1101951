"""Asking a service whether it can work."""

from __future__ import annotations

import json
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from voxloop.adapters.direct_http import open_directly
from voxloop.local.programs import Service

TIMEOUT = 3.0  # s one question may take


def is_healthy(service: Service, since: datetime) -> bool:
    """Say whether a service is healthy.

    Args:
        service: Whom to ask.
        since: When its process started, aware. A heartbeat before that is of the process it replaced: Airflow goes
            on calling a killed scheduler healthy for 30 s.
    """
    try:
        with open_directly().open(service.health, timeout=TIMEOUT) as answer:
            said = answer.read()
            good = answer.status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    return good and (not service.heartbeat or is_beating(json.loads(said), service.heartbeat, since))


def is_beating(answer: dict[str, Any], part: str, since: datetime) -> bool:
    """Read one part of Airflow's health answer; the database has a status but no heartbeat."""
    said = answer.get(part) or {}
    if said.get("status") != "healthy":
        return False
    latest = said.get(f"latest_{part}_heartbeat")
    return part == "metadatabase" or (latest is not None and datetime.fromisoformat(latest) >= since)
