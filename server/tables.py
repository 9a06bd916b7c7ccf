"""Tables of the server's database. A change here needs a migration (a test compares the two)."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = sa.String(128)
_Time = sa.String(32)
"""UTC, ISO 8601 with microseconds and ``Z``: sorts as it reads, the same on both databases."""
_Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

log_head = sa.Table(
    "log_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("log_id", _Id, nullable=False),
    sa.Column("cookie_key", sa.String(128), nullable=False),
)
"""One row: the last `seq` of the label log, the log's identity, and the key that login cookies are signed with."""

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("label_id", _Id, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("session_id", _Id, nullable=False, index=True),
    sa.Column("subject", _Id, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("signal", sa.String(16), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("decoder_sha256", sa.String(64)),
    sa.Column("decoder_name", _Id),
    sa.Column("decoder_version", sa.Integer),
    sa.Column("release", sa.String(16), nullable=False),
    sa.Column("release_reason", sa.Text),
    sa.Column("operator_hold", sa.Text),
    sa.Column("base_release", sa.String(16), nullable=False),
    sa.Column("base_reason", sa.Text),
    sa.Column("confidence", sa.Double),
    sa.Column("catch", sa.String(8), nullable=False),
    sa.Column("generator_model", sa.String(256)),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("text_id", _Id, index=True),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("row", sa.Text, nullable=False),
    sa.Column("erased", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("label_id", "revision"),
)
"""The label log, append-only. `operator_hold` overlays what the decoder said (`base_release`, `base_reason`).

`erased`: the contents are gone at the subject's wish; what is left tells followers that the label counts no more.
"""

texts = sa.Table(
    "texts",
    metadata,
    sa.Column("text_id", _Id, primary_key=True),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("response", sa.Text, nullable=False),
    sa.Column("generator", sa.Text),
)
"""Prompt, response and generator arrays, once per response."""

current_decoders = sa.Table(
    "current_decoders",
    metadata,
    sa.Column("session_id", _Id, primary_key=True),
    sa.Column("signal", sa.String(16), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("name", _Id, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("recording_id", _Id, primary_key=True),
    sa.Column("session_id", _Id, nullable=False, index=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
)
"""Recordings and the highest lease epoch of a worker seen for each."""

subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("subject", _Id, primary_key=True),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("withdrawn_at", _Time),
    sa.Column("erasing_since", _Time),
    sa.Column("erased_at", _Time),
)
"""By pseudonym. Between `erasing_since` and `erased_at` an erasure is under way; a server that starts goes on with it."""

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("subject", _Id, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("given_at", _Time, nullable=False),
    sa.Column("expires_at", _Time),
    sa.Column("withdrawn_at", _Time),
    sa.Column("entered_by", sa.String(128), nullable=False),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("position", _Counter, primary_key=True, autoincrement=True),
    sa.Column("at", _Time, nullable=False),
    sa.Column("who", sa.String(128), nullable=False),
    sa.Column("what", sa.String(32), nullable=False),
    sa.Column("about", _Id, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
"""Who changed what anybody may do, or what becomes of anybody's data. Only ever added to."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session_id", _Id, primary_key=True),
    sa.Column("recording_id", _Id, nullable=False),
    sa.Column("subject", _Id, nullable=False, index=True),
    sa.Column("protocol", sa.String(64), nullable=False),
    sa.Column("task", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("recording", sa.String(16), nullable=False),
    sa.Column("self_run", sa.Boolean, nullable=False),
    sa.Column("source", sa.String(16)),
    sa.Column("clock", sa.String(16)),
    sa.Column("consent", sa.String(256)),
    sa.Column("consent_version", sa.Integer),
    sa.Column("withdrawn", sa.Text),
    sa.Column("prior", sa.Double, nullable=False),
    sa.Column("soa_ms", sa.Double),
    sa.Column("item_set", _Id),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("decoder_name", _Id),
    sa.Column("decoder_version", sa.Integer),
    sa.Column("operator_hold", sa.Text),
    sa.Column("created_at", _Time, nullable=False),
)
"""`recording`: none, wanted, stopping, stopped. `self_run`: the daemon runs it (a replay), the server only follows.

`withdrawn`: why all its labels are revoked, those that are still to come too.
"""

session_events = sa.Table(
    "session_events",
    metadata,
    sa.Column("position", _Counter, primary_key=True, autoincrement=True),
    sa.Column("session_id", _Id, nullable=False, index=True),
    sa.Column("what", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("who", _Id, nullable=False),
    sa.Column("at", _Time, nullable=False),
)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("session_id", _Id, primary_key=True),
    sa.Column("trial", sa.Integer, primary_key=True),
    sa.Column("block", sa.Integer, nullable=False),
    sa.Column("repeat", sa.Integer, nullable=False),
    sa.Column("presentation", _Id, nullable=False, unique=True),
    sa.Column("item_set", _Id, nullable=False),
    sa.Column("response_id", _Id, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("page_life", _Id),
    sa.Column("shown", sa.Integer, nullable=False),
)
"""Planned when the session is made. `state`: pending, running, done, aborted."""

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("position", _Counter, primary_key=True, autoincrement=True),
    sa.Column("event_id", _Id, nullable=False, unique=True),
    sa.Column("session_id", _Id, nullable=False, index=True),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("recorded", sa.Boolean, nullable=False, index=True),
    sa.Column("created_at", _Time, nullable=False),
)
"""Events for the ordered log until the daemon has recorded them."""

item_sets = sa.Table(
    "item_sets",
    metadata,
    sa.Column("item_set", _Id, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("n_items", sa.Integer, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
)

responses = sa.Table(
    "responses",
    metadata,
    sa.Column("item_set", _Id, primary_key=True),
    sa.Column("response_id", _Id, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("item_id", _Id, nullable=False),
    sa.Column("category", sa.String(128)),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("surprisal_bits", sa.JSON),
    sa.Column("generator", sa.Text),
)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("item_set", _Id, primary_key=True),
    sa.Column("response_id", _Id, primary_key=True),
    sa.Column("unit", sa.Integer, primary_key=True),
    sa.Column("mark", sa.String(32), primary_key=True),
)
"""What is right or wrong in a response: apart from everything that is shown, recorded or handed out as a label."""

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("token_id", _Id, primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("expires_at", _Time),
    sa.Column("revoked_at", _Time),
    sa.Column("session_id", _Id),
)
"""`session_id`: the token is a link for the subject of that session, and opens nothing else."""

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("disabled_at", _Time),
)
"""`epoch` counts changes of password and role: logins from before a change count no more."""

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("snapshot_id", _Id, primary_key=True),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("manifest", sa.JSON, nullable=False),
    sa.Column("made_by", sa.String(128), nullable=False),
    sa.Column("created_at", _Time, nullable=False, index=True),
    sa.Column("gone_at", _Time),
    sa.Column("gone_reason", sa.Text),
    sa.Column("successor", _Id),
)
"""Whole ones. Their files lie in the data folder."""

snapshot_keys = sa.Table(
    "snapshot_keys",
    metadata,
    sa.Column("idempotency_key", _Id, primary_key=True),
    sa.Column("request_sha256", sa.String(64), nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("created_at", _Time, nullable=False),
)
"""The watermark that a request had when its idempotency key came first."""
