"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _labels()
    _beside_labels()
    _sessions()
    _showing()
    _library()


def _labels() -> None:
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("log_id", sa.String(length=128), nullable=False),
        sa.Column("cookie_key", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_head")),
    )
    op.create_table(
        "labels",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("label_id", sa.String(length=128), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("signal", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("decoder_sha256", sa.String(length=64), nullable=True),
        sa.Column("decoder_name", sa.String(length=128), nullable=True),
        sa.Column("decoder_version", sa.Integer(), nullable=True),
        sa.Column("release", sa.String(length=16), nullable=False),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.Column("operator_hold", sa.Text(), nullable=True),
        sa.Column("base_release", sa.String(length=16), nullable=False),
        sa.Column("base_reason", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("catch", sa.String(length=8), nullable=False),
        sa.Column("generator_model", sa.String(length=256), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.Column("text_id", sa.String(length=128), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_labels")),
        sa.UniqueConstraint("label_id", "revision", name=op.f("uq_labels_label_id_revision")),
    )
    op.create_index(op.f("ix_labels_session_id"), "labels", ["session_id"], unique=False)


def _beside_labels() -> None:
    op.create_table(
        "texts",
        sa.Column("text_id", sa.String(length=128), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("generator", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("text_id", name=op.f("pk_texts")),
    )
    op.create_table(
        "current_decoders",
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("signal", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "signal", name=op.f("pk_current_decoders")),
    )
    op.create_table(
        "recordings",
        sa.Column("recording_id", sa.String(length=128), nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_recordings")),
    )
    op.create_index(op.f("ix_recordings_session_id"), "recordings", ["session_id"], unique=False)


def _sessions() -> None:
    op.create_table(
        "subjects",
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_subjects")),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("recording_id", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("protocol", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("recording", sa.String(length=16), nullable=False),
        sa.Column("self_run", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=True),
        sa.Column("clock", sa.String(length=16), nullable=True),
        sa.Column("consent", sa.String(length=256), nullable=True),
        sa.Column("prior", sa.Double(), nullable=False),
        sa.Column("soa_ms", sa.Double(), nullable=True),
        sa.Column("item_set", sa.String(length=128), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("decoder_name", sa.String(length=128), nullable=True),
        sa.Column("decoder_version", sa.Integer(), nullable=True),
        sa.Column("operator_hold", sa.Text(), nullable=True),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_subject"), "sessions", ["subject"], unique=False)
    op.create_table(
        "session_events",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_session_events")),
    )
    op.create_index(op.f("ix_session_events_session_id"), "session_events", ["session_id"], unique=False)


def _showing() -> None:
    op.create_table(
        "trials",
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("presentation", sa.String(length=128), nullable=False),
        sa.Column("item_set", sa.String(length=128), nullable=False),
        sa.Column("response_id", sa.String(length=128), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("page_life", sa.String(length=128), nullable=True),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "trial", name=op.f("pk_trials")),
        sa.UniqueConstraint("presentation", name=op.f("uq_trials_presentation")),
    )
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("event_id", sa.String(length=128), nullable=False),
        sa.Column("session_id", sa.String(length=128), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )
    op.create_index(op.f("ix_outbox_recorded"), "outbox", ["recorded"], unique=False)
    op.create_index(op.f("ix_outbox_session_id"), "outbox", ["session_id"], unique=False)


def _library() -> None:
    op.create_table(
        "item_sets",
        sa.Column("item_set", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("n_items", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("item_set", name=op.f("pk_item_sets")),
    )
    op.create_table(
        "responses",
        sa.Column("item_set", sa.String(length=128), nullable=False),
        sa.Column("response_id", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.String(length=128), nullable=False),
        sa.Column("category", sa.String(length=128), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("surprisal_bits", sa.JSON(), nullable=True),
        sa.Column("generator", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("item_set", "response_id", name=op.f("pk_responses")),
    )
    op.create_table(
        "marks",
        sa.Column("item_set", sa.String(length=128), nullable=False),
        sa.Column("response_id", sa.String(length=128), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("item_set", "response_id", "unit", "mark", name=op.f("pk_marks")),
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=True),
        sa.Column("revoked_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("sha256", name=op.f("uq_tokens_sha256")),
    )


def downgrade() -> None:
    """Take everything back."""
    op.drop_table("tokens")
    op.drop_table("marks")
    op.drop_table("responses")
    op.drop_table("item_sets")
    op.drop_table("outbox")
    op.drop_table("trials")
    op.drop_table("session_events")
    op.drop_table("sessions")
    op.drop_table("subjects")
    op.drop_table("recordings")
    op.drop_table("current_decoders")
    op.drop_table("texts")
    op.drop_table("labels")
    op.drop_table("log_head")
