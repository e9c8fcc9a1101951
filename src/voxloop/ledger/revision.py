"""Which migration this code reads and writes, for who need not load the models, which takes half a second."""

from __future__ import annotations

VERSION_TABLE = "ledger_version"
"""Alembic's own table; under its usual name another program in the same database may have one."""
REVISION = "0001"
"""The newest migration: what this code reads and writes."""
