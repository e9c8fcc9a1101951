"""Who runs a command."""

from __future__ import annotations

import os
import pwd

import pytest

from voxloop.jobs.principal import find_principal


@pytest.mark.parametrize(("signed_in", "by"), [("ann", "ann"), ("service", None), ("", None)])
def test_a_person_s_word_is_that_person_s(monkeypatch: pytest.MonkeyPatch, signed_in: str, by: str | None) -> None:
    """Of the service, which is no person, and of nobody, it is the system's account."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", signed_in)
    user = pwd.getpwuid(os.getuid()).pw_name
    assert find_principal() == (by or user, user)


def test_under_a_number_without_an_account_the_word_is_the_number_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert find_principal() == ("uid 2147483641", "uid 2147483641")
