"""How jobs sign in to MLflow: as the person the environment names, else as the service."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voxloop.release.roles import SERVICE_ACCOUNT
from voxloop.settings import read_tracking_credentials
from voxloop.store.private_files import require_private

if TYPE_CHECKING:
    from voxloop.settings import Settings


@dataclass(frozen=True)
class Credentials:
    """A name and its password, which no traceback shows."""

    name: str
    password: str = field(repr=False)

    @property
    def header(self) -> dict[str, str]:
        """The request header of HTTP's basic authentication (RFC 7617)."""
        told = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {told}"}


def find_credentials(settings: Settings) -> Credentials | None:
    """Return what to sign in with: a person of the environment, else the service by the file in the home.

    Raises:
        IntegrityError: Others may read the service's password.
    """
    name, password = read_tracking_credentials()
    if name and name != SERVICE_ACCOUNT:
        return Credentials(name, password)
    file = settings.mlflow_service_password
    if not file.exists():  # on another machine than the server's the environment may hold it
        return Credentials(name, password) if name else None
    require_private(file, remedy="remove it and start MLflow again: a new one is made")
    return Credentials(SERVICE_ACCOUNT, file.read_text(encoding="ascii"))


def sign_in(settings: Settings) -> None:
    """Have MLflow's own client, in this process and its children, sign in."""
    from mlflow import environment_variables

    variables: Any = environment_variables
    if found := find_credentials(settings):
        variables.MLFLOW_TRACKING_USERNAME.set(found.name)
        variables.MLFLOW_TRACKING_PASSWORD.set(found.password)


def headers(settings: Settings) -> dict[str, str]:
    """Return the headers of a request to MLflow; none where nobody can sign in."""
    found = find_credentials(settings)
    return found.header if found else {}
