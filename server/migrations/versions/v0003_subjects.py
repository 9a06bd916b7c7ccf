"""Consent, withdrawal, erasure, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and add the columns."""
    op.create_table(
        "consents",
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("given_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=True),
        sa.Column("withdrawn_at", sa.String(length=32), nullable=True),
        sa.Column("entered_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("subject", "version", name=op.f("pk_consents")),
    )
    op.create_table(
        "audit_log",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("about", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_log")),
    )
    for name in ("withdrawn_at", "erasing_since", "erased_at"):
        op.add_column("subjects", sa.Column(name, sa.String(length=32), nullable=True))
    op.add_column("sessions", sa.Column("consent_version", sa.Integer(), nullable=True))
    op.add_column("sessions", sa.Column("withdrawn", sa.Text(), nullable=True))
    op.add_column("labels", sa.Column("erased", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Take them away."""
    op.drop_column("labels", "erased")
    op.drop_column("sessions", "withdrawn")
    op.drop_column("sessions", "consent_version")
    for name in ("erased_at", "erasing_since", "withdrawn_at"):
        op.drop_column("subjects", name)
    op.drop_table("audit_log")
    op.drop_table("consents")
