"""An index for the search for a kind of defect."""

from __future__ import annotations

from alembic import op

revision = "0330"
down_revision = "0320"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index. On 10⁷ parts it takes seconds."""
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_parts_kind_not_passed ON parts (kind, at_us) "
        "WHERE decision <> 'PASS'"
    )


def downgrade() -> None:
    """Remove the index."""
    op.execute("DROP INDEX IF EXISTS ix_parts_kind_not_passed")
