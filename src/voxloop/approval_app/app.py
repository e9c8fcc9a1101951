"""The app that `mlflow server --app-name voxloop` starts."""

from __future__ import annotations

from starlette.types import ASGIApp


def create_app() -> ASGIApp:
    """Return MLflow's server behind the guard; the account of the jobs is made when there is none.

    Raises:
        ConfigError: configs/release.yaml is malformed.
        IntegrityError: The file of accounts is malformed, or others may use it.
    """
    from mlflow.server.fastapi_app import app

    from voxloop.approval_app.accounts import AccountBook
    from voxloop.approval_app.approving import Approvals
    from voxloop.approval_app.guard import Guard
    from voxloop.approval_app.tracked import Tracked
    from voxloop.ledger.book import open_ledger
    from voxloop.release.policy import load_release_policy
    from voxloop.settings import get_settings, now

    settings = get_settings()
    book = AccountBook(settings.mlflow_accounts)
    book.ensure_service(settings.mlflow_service_password, now())
    lasts = load_release_policy().lasts
    return Guard(app, book, Tracked(), Approvals(open_ledger(settings), lasts, now).judge)
