"""The table of entries, as Alembic sees it. A test holds it against the migrations in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import Integer, Text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class LedgerTable(SQLModel, registry=registry()):
    """The ledger's tables and nobody else's."""


class LedgerEntry(LedgerTable, table=True):
    """A row; `voxloop.ledger.entry.Entry` says what the columns mean. Text alone: no database rounds or converts it."""

    __tablename__ = "ledger_entry"

    sequence: int = Field(primary_key=True, sa_type=Integer, sa_column_kwargs={"autoincrement": False})
    at: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    task: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    act: str = Field(sa_type=Text, unique=True)
    payload: str = Field(sa_type=Text)
    previous: str = Field(sa_type=Text)
    sealer: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text)
