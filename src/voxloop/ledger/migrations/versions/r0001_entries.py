"""The table of entries, and triggers that let it only grow.

SQLite's INSERT OR REPLACE deletes without asking a delete trigger: the one on inserts lets no existing entry be met.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXTS = ("at", "kind", "task", "subject", "act", "payload", "previous", "sealer", "digest")
REFUSAL = "the ledger is append-only"
OUT_OF_ORDER = """new.sequence {differs} (SELECT coalesce(max(sequence), 0) + 1 FROM ledger_entry)
    OR EXISTS (SELECT 1 FROM ledger_entry WHERE act = new.act)"""

SQLITE = (
    f"CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    f"CREATE TRIGGER ledger_entry_no_delete BEFORE DELETE ON ledger_entry BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    f"""CREATE TRIGGER ledger_entry_in_order BEFORE INSERT ON ledger_entry WHEN {OUT_OF_ORDER.format(differs="IS NOT")}
    BEGIN SELECT RAISE(ABORT, '{REFUSAL}, in order'); END""",
)
POSTGRESQL = (
    f"""CREATE FUNCTION ledger_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '{REFUSAL}'; END $$""",
    """CREATE TRIGGER ledger_entry_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_refuse()""",
    f"""CREATE FUNCTION ledger_entry_check_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF {OUT_OF_ORDER.format(differs="IS DISTINCT FROM")} THEN RAISE EXCEPTION '{REFUSAL}, in order'; END IF;
    RETURN new; END $$""",
    """CREATE TRIGGER ledger_entry_in_order BEFORE INSERT ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_entry_check_order()""",
)


def upgrade() -> None:
    """Make the table."""
    texts = [sa.Column(name, sa.Text(), nullable=False) for name in TEXTS]
    sequence = sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False)
    op.create_table("ledger_entry", sequence, *texts, sa.PrimaryKeyConstraint("sequence"), sa.UniqueConstraint("act"))
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: what was written is never thrown away."""
    raise NotImplementedError(REFUSAL)
