"""What one daemon is to do."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from messaging.lab import SessionPlan


@dataclass(slots=True)
class DaemonPlan:
    """Addresses, folder, and the session of a replay."""

    data_dir: Path
    server_url: str
    token: str
    bus_url: str
    own_session: SessionPlan | None = None
    """A session that needs no server to start it: a replay."""
    replayed_sha256: str | None = None
    kernel_set: str = ""
    wait_for_worker: bool = False
    """A replay faster than 1x stays close to the worker."""
    stay_until_committed: bool = False
    """A replay that has come to its end stays until its last label is committed and the server knows that it ended."""
    daemon_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def recordings_dir(self) -> Path:
        """Where recordings lie."""
        return self.data_dir / "recordings"
