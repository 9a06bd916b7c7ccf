"""What is wrong in the lab now, and since when; it stays until the daemon says that it is over."""

from messaging.lab import LabStatus
from messaging.pages import StandingFault

_AWAY = "No acquisition daemon is connected; nothing is recorded. `rlhb acquire` starts one, and the recording goes on where it stopped."
_BUS_AWAY = "The bus is away: the recording goes on, rewards and labels wait. They follow as soon as the bus is back."


class LabFaults:
    """Follows the daemon's state; time comes in as an argument (UTC, as the database keeps it)."""

    def __init__(self) -> None:
        self._away_since: str | None = None
        self._standing: dict[str, StandingFault] = {}

    def connected(self) -> None:
        """Take note that a daemon has come; what it says counts from now on."""
        self._away_since = None
        self._standing.clear()

    def disconnected(self, at: str) -> None:
        """Take note that the daemon has gone."""
        self._away_since = at
        self._standing.clear()

    def take(self, status: LabStatus, at: str) -> None:
        """Take what the daemon says of itself."""
        self._set("board_stalled", status.sentence if status.state == "stalled" else None, at)
        self._set("bus_away", _BUS_AWAY if status.bus == "away" else None, at)

    def _set(self, what: str, sentence: str | None, at: str) -> None:
        if sentence is None:
            self._standing.pop(what, None)
            return
        before = self._standing.get(what)
        self._standing[what] = StandingFault(what=what, sentence=sentence, since=before.since if before else at)  # type: ignore[arg-type]

    def standing(self, *, needed: bool) -> tuple[StandingFault, ...]:
        """Say what is wrong now, worst first.

        Parameters
        ----------
        needed : bool
            A session runs, so that a daemon that has gone is missed.
        """
        if self._away_since is not None:
            return (StandingFault(what="lab_away", sentence=_AWAY, since=self._away_since),) if needed else ()
        return tuple(self._standing[what] for what in ("board_stalled", "bus_away") if what in self._standing)
