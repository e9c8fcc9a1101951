"""Accounts of one MLflow, and how each of them asks it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from voxloop.approval_app.accounts import AccountBook
from voxloop.release.roles import SERVICE_ACCOUNT, Role
from voxloop.settings import Settings, now

DOORS = ("api", "ajax-api")
"""Clients come by the one, the UI by the other."""
FAMILY = "approved"


@dataclass
class People:
    """Accounts of one server, and how each asks it."""

    settings: Settings
    passwords: dict[str, str]

    @cached_property
    def client(self) -> httpx.Client:
        """One for all: to make one takes longer than to ask."""
        return httpx.Client(base_url=self.settings.mlflow_url, trust_env=False, timeout=60)

    def ask(self, name: str, method: str, path: str, **content: Any) -> httpx.Response:
        """Send one request as somebody."""
        return self.client.request(method, path, auth=(name, self.passwords[name]), **content)

    def write(
        self, name: str, act: str, fields: dict[str, Any], *, method: str = "POST", door: str = "ajax-api"
    ) -> httpx.Response:
        """Write as somebody, by default as the UI does."""
        return self.ask(name, method, f"{door}/2.0/mlflow/{act}", json=fields)

    def approve(self, name: str, number: int | str, value: str = "approved", **where: str) -> httpx.Response:
        """Set the tag as the UI does."""
        fields = {"name": FAMILY, "version": str(number), "key": "approval", "value": value}
        return self.write(name, "model-versions/set-tag", fields, **where)


def add_people(settings: Settings) -> People:
    """Make an account of each role; `author` is who commits in the tests' checkouts."""
    book = AccountBook(settings.mlflow_accounts)
    passwords = {
        "tim": book.add("tim", Role.TRAINER, (), now()),
        "vic": book.add("vic", Role.VIEWER, (), now()),
        "ann": book.add("ann", Role.APPROVER, ("ann@example.org",), now()),
        "bea": book.add("bea", Role.APPROVER, ("bea@example.org",), now()),
        "author": book.add("author", Role.APPROVER, ("Test@LocalHost",), now()),
    }
    passwords[SERVICE_ACCOUNT] = settings.mlflow_service_password.read_text()
    return People(settings, passwords)


def refusal(answer: httpx.Response, status: int = 403) -> str:
    """Return what a refusal says; the UI shows `message`."""
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error_code", "message"}
    return str(answer.json()["message"])
