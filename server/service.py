"""What every part of the server works with: settings, database, connections, access."""

import secrets
from dataclasses import dataclass, field

from messaging.settings import Settings
from server.access import Gatekeeper
from server.accounts.attempts import Attempts
from server.database import Database, database_url
from server.metrics import Metrics
from server.snapshots.store import Builds
from server.switchboard import Switchboard


@dataclass(frozen=True, slots=True)
class Service:
    """One server's parts."""

    settings: Settings
    database: Database
    gatekeeper: Gatekeeper
    token: str = field(repr=False)
    switchboard: Switchboard = field(default_factory=Switchboard)
    metrics: Metrics = field(default_factory=Metrics)
    attempts: Attempts = field(default_factory=Attempts)
    builds: Builds = field(default_factory=Builds)


def build_service(settings: Settings) -> Service:
    """Put the parts together; nothing is opened yet.

    Raises
    ------
    ServerError
        The database's address is wrong.
    """
    token = settings.token or secrets.token_urlsafe(24)
    database = Database(database_url(settings))
    return Service(settings=settings, database=database, gatekeeper=Gatekeeper(database, token), token=token)
