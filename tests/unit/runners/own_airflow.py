"""Airflow, imported with a home of its own: on import it writes its default configuration somewhere."""

from __future__ import annotations

import tempfile

import pytest

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("AIRFLOW_HOME", tempfile.mkdtemp(prefix="voxloop-airflow-"))
    from airflow.sdk.definitions.asset import AssetWatcher
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
    from airflow.serialization.encoders import encode_trigger

    from voxloop.runners.approval_trigger import Alarm, ApprovalTrigger, LedgerWatch, Waiting

__all__ = [
    "AirflowFailException",
    "AirflowSkipException",
    "Alarm",
    "ApprovalTrigger",
    "AssetWatcher",
    "LedgerWatch",
    "Waiting",
    "encode_trigger",
]
