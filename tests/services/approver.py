"""A person who approves in the tests, and the gate's word that an approval stands on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx

from tests.services.pipeline_folders import PipelineFolders
from voxloop.adapters.mlflow_rest import list_versions
from voxloop.adapters.mlflow_sign_in import Credentials
from voxloop.approval_app.accounts import AccountBook
from voxloop.ledger.acts import record_judgement
from voxloop.ledger.book import open_ledger
from voxloop.release.approvals import record_approval
from voxloop.release.roles import Role
from voxloop.settings import Settings, get_settings, now
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

NAME = "approver"
PASSWORDS: dict[Path, str] = {}
"""By home: a password is shown once."""


def sign_in_approver(settings: Settings) -> Credentials:
    """Return the account of who approves at a server, made on first use."""
    if settings.mlflow_accounts not in PASSWORDS:
        book = AccountBook(settings.mlflow_accounts)
        PASSWORDS[settings.mlflow_accounts] = book.add(NAME, Role.APPROVER, (f"{NAME}@localhost",), now())
    return Credentials(NAME, PASSWORDS[settings.mlflow_accounts])


def set_approval(task: str, number: int, value: str, key: str = "approval") -> httpx.Response:
    """Set the tag, or another of the approver's, by the call the UI makes."""
    settings = get_settings()
    address = f"{settings.mlflow_url}/ajax-api/2.0/mlflow/model-versions/set-tag"
    fields = {"name": task, "version": str(number), "key": key, "value": value}
    headers = sign_in_approver(settings).header
    return httpx.post(address, json=fields, headers=headers, trust_env=False, timeout=60)


def approve(task: str, number: int, value: str) -> None:
    """Approve through the server; a home of its own beside it has a ledger of its own, which is written directly."""
    settings = get_settings()
    if settings.mlflow_service_password.exists():
        assert set_approval(task, number, value).is_success
        return
    (version,) = (one for one in list_versions(settings, task) if one.number == number)
    record_approval(open_ledger(settings), version, by=NAME, names={NAME}, at=now(), lasts=timedelta(days=14))


def record_pass(task: str, folders: PipelineFolders) -> None:
    """Write what the gate says of these folders, which the tests make without one."""
    record_judgement(
        open_ledger(get_settings()),
        task=task,
        model=folders.model_digest,
        verdict=Verdict.PASS,
        evidence={"evaluation": digest_tree(folders.evaluation)},
        at=now(),
    )
