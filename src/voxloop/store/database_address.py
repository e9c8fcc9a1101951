"""Addresses of databases as a person writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxloop.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import SecretStr
    from sqlalchemy import URL


def read_postgres_address(secret: SecretStr, variable: str, otherwise: str) -> URL:
    """Return the address of a PostgreSQL database, to be spoken to through psycopg.

    Args:
        secret: `postgresql://user:password@host:port/database`.
        variable: Where it stands, for the message, which never quotes it.
        otherwise: What happens without it.

    Raises:
        ConfigError: It is no such address.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        address = make_url(secret.get_secret_value())
    except (ArgumentError, ValueError):
        address = None
    if address is None or address.get_backend_name() != "postgresql" or not address.database:
        raise ConfigError(
            f"{variable} is no address of a PostgreSQL database",
            rule="it reads postgresql://user:password@host:port/database",
            remedy=f"correct it, or unset it: {otherwise}",
        )
    return address.set(drivername="postgresql+psycopg")
