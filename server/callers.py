"""Who calls, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from server.errors import Forbidden


class Scope(StrEnum):
    """What a token may do; ``admin`` may do everything."""

    LABELS_READ = "labels:read"
    SNAPSHOTS_CREATE = "snapshots:create"
    REWARDS_READ = "rewards:read"
    REWARDS_PUBLISH = "rewards:publish"
    LAB_CONNECT = "lab:connect"
    SESSIONS_OPERATE = "sessions:operate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose token counts."""

    name: str
    scopes: frozenset[Scope]
    identity: str
    """For the login cookie: a token's SHA-256, or the account and its epoch."""
    session_id: str | None = None
    """A subject's link: this session's page, nothing else."""

    def need(self, scope: Scope) -> None:
        """Check a scope.

        Raises
        ------
        Forbidden
            The token has neither the scope nor ``admin``.
        """
        if self.session_id is not None:
            raise Forbidden(f"This link is for the subject of session {self.session_id} alone.", "Sign in, or use a token.")
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            raise Forbidden(f"The token '{self.name}' lacks the scope {scope.value}.", "Use a token with this scope; POST /api/v1/tokens makes one.")
