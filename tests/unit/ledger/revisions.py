"""A voxloop of tomorrow, whose ledger has a migration more, and ledgers of yesterday for it to upgrade.

Its code reads the column `sealer`, which its first migration called `signer`: what it has not upgraded it cannot read.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from voxloop.ledger.revision import REVISION
from voxloop.ledger.schema import MIGRATIONS

TOMORROW = f"{int(REVISION) + 1:04}"
TO_YESTERDAY = "ALTER TABLE ledger_entry RENAME COLUMN sealer TO signer"
"""What makes tables of today those that tomorrow's migration finds."""
MADE_TOMORROW = f"UPDATE ledger_version SET version_num = '{TOMORROW}'"  # noqa: S608 - a number of ours
"""What makes tables of today say that the voxloop of tomorrow made them."""
MIGRATION = f"""
from alembic import op
revision = "{TOMORROW}"
down_revision = "{REVISION}"

def upgrade() -> None:
    op.execute("ALTER TABLE ledger_entry RENAME COLUMN signer TO sealer")
"""


def become_tomorrow(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let this process be that voxloop; its migrations are written to a folder."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"r{TOMORROW}_sealer.py").write_text(MIGRATION)
    patch.setattr("voxloop.ledger.schema.MIGRATIONS", folder)
    for module in ("schema", "sqlite_file", "database_failures"):
        patch.setattr(f"voxloop.ledger.{module}.REVISION", TOMORROW)
