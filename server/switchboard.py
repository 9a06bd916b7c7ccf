"""Who is connected now, and the bells that wake them. Nothing here outlives the process; what must is in the database."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from messaging.lab import LabHello, LabImpedance, LabQuality, LabStatus
from messaging.pages import OperatorAlarm
from messaging.rewards import CalibrationProgress, CommittedRewards, WorkerHello
from server import clock
from server.faults import LabFaults
from server.outlet import GOING_AWAY, Outlet
from server.wakeup import Wakeup

ROWS_AT_ONCE = 100
"""Label rows of one message: some 150 kB."""
READING_S, READING_TURNS = 0.02, 50
"""A watcher whose queue fills is waited for this often, this long, a second in all; then it is cut off like any slow one."""

IMPEDANCE_S = 5.0
"""A daemon that measures impedance says so every second; after this silence it does not measure any more."""
ALARMS_KEPT = 100
INTERRUPTED_AFTER_S = 60.0
"""A daemon is started anew within seconds; one that stays away for longer was stopped or is broken."""


@dataclass(eq=False)
class LabLink:
    """The acquisition daemon that is connected."""

    outlet: Outlet
    hello: LabHello
    status: LabStatus | None = None
    channels: tuple[str, ...] = ()
    sent: dict[str, float] = field(default_factory=dict)
    """Events sent on this connection and not yet recorded, with the server time of sending."""
    steered: str | None = None
    """Session that the daemon is asked to record, and whose events it gets; one at a time."""
    asked: dict[tuple[str, str], float] = field(default_factory=dict)
    """When (server time) the daemon was last asked on this connection to ``start`` or ``stop`` a session."""
    first_asked: dict[tuple[str, str], float] = field(default_factory=dict)
    seen_recording: set[str] = field(default_factory=set)
    """Sessions that the daemon said on this connection that it is recording."""
    impedance: LabImpedance | None = None
    """The latest measurement of the electrodes."""
    quality: LabQuality | None = None
    """The latest signal quality."""
    quality_at_s: float = 0.0
    """Server time at which it came."""
    impedance_until_s: float = 0.0
    """Server time until which a test current must be reckoned with, unless the daemon says more."""

    @property
    def own_session(self) -> str | None:
        """Session that the daemon runs by itself."""
        return self.hello.session.session_id if self.hello.session is not None else None

    def measures_impedance(self, now_s: float) -> bool:
        """Whether a test current flows, or is about to."""
        return now_s < self.impedance_until_s

    def take_impedance(self, measured: LabImpedance, now_s: float) -> None:
        """Take a measurement, which comes once a second while the current flows, and once with nothing measured at its end."""
        self.impedance = measured
        self.impedance_until_s = now_s + IMPEDANCE_S if measured.measuring is not None else now_s

    def records(self, session_id: str) -> bool:
        """Whether the daemon says that it is recording this session."""
        return self.status is not None and self.status.state in ("recording", "stalled") and self.status.session_id == session_id


@dataclass(eq=False)
class Watcher:
    """An operator page or a consumer of rewards."""

    outlet: Outlet
    sessions: frozenset[str]
    """Sessions it wants; empty = all."""
    signal: bool = False
    """Also wants previews, quality and alarms."""
    over: bool = False
    """The session it watches is over: what concerns no session in particular is about another one."""

    def wants(self, session_id: str | None) -> bool:
        """Whether something about a session (None: about the lab as such) is for it."""
        return not self.over if session_id is None else not self.sessions or session_id in self.sessions


@dataclass(eq=False)
class SubjectPage:
    """The page that a session is shown on."""

    outlet: Outlet
    page_life: str


class Switchboard:
    """All connections of this process."""

    def __init__(self) -> None:
        self.log_grew = Wakeup()
        self.outbox_grew = Wakeup()
        self.changed = Wakeup()
        """A session, the lab or a connection is not as before."""
        self.lab: LabLink | None = None
        self.workers: dict[str, WorkerHello] = {}
        """By recording."""
        self.fits: dict[str, CalibrationProgress] = {}
        """By recording: how far the fit of a calibration has come."""
        self.pages: dict[str, SubjectPage] = {}
        """By session."""
        self.watchers: set[Watcher] = set()
        self.outlets: set[Outlet] = set()
        self.alarms: deque[tuple[str | None, OperatorAlarm]] = deque(maxlen=ALARMS_KEPT)
        """The latest alarms, with the session that each is about."""
        self.faults = LabFaults()
        self.faults.disconnected(clock.utc_now())
        self.own_gone_since: dict[str, float] = {}
        """Session that a daemon ran by itself -> server time at which that daemon went."""
        self.started_s = clock.server_time_s()
        self._telling = asyncio.Lock()

    def lab_records(self, session_id: str, recording_id: str) -> bool:
        """Whether a daemon is connected and writes this recording of a session."""
        lab = self.lab
        return lab is not None and lab.status is not None and lab.records(session_id) and lab.status.recording_id in (None, recording_id)

    def worker_of(self, session_id: str) -> WorkerHello | None:
        """Worker that decodes a session."""
        return next((w for w in self.workers.values() if w.session_id == session_id), None)

    def tell_watchers(self, session_id: str | None, message: BaseModel | str | bytes, *, signal: bool = False) -> None:
        """Send something about a session (None: about all) to whoever wants it."""
        encoded = message.model_dump_json() if isinstance(message, BaseModel) else message
        for watcher in list(self.watchers):
            if watcher.wants(session_id) and (watcher.signal or not signal):
                watcher.outlet.offer(encoded)

    def connect_lab(self, link: LabLink) -> None:
        """Take a daemon's new connection as the lab's."""
        self.lab = link
        self.faults.connected()
        self.own_gone_since.pop(link.own_session or "", None)

    def disconnect_lab(self, link: LabLink, at: str) -> None:
        """Let a daemon's connection go, unless a newer one has taken its place."""
        if link.own_session is not None:
            self.own_gone_since[link.own_session] = clock.server_time_s()
        if self.lab is link:
            self.lab = None
            self.faults.disconnected(at)

    def runs(self, session_id: str) -> bool:
        """Whether a daemon is connected that runs this session by itself."""
        return self.lab is not None and self.lab.own_session == session_id

    def interrupted(self, session_id: str, now_s: float) -> bool:
        """Whether the daemon that runs a session by itself has been gone for longer than a restart takes."""
        return not self.runs(session_id) and now_s - self.own_gone_since.get(session_id, self.started_s) > INTERRUPTED_AFTER_S

    def raise_alarm(self, session_id: str | None, alarm: OperatorAlarm) -> None:
        """Tell the operators of something, and keep it for those who open the page later."""
        self.alarms.append((session_id, alarm))
        self.tell_watchers(session_id, alarm, signal=True)

    async def tell_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Wake those who wait for the log, and send committed label rows to whoever wants them, in the order of their commits.

        Notes
        -----
        A hold may bring tens of thousands of rows at once: they go out in parts, and a reader gets a moment to take them in before it counts as slow.
        """
        if not rows:
            return
        self.log_grew.ring()
        async with self._telling:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                by_session: dict[str, list[dict[str, Any]]] = {}
                for row in rows[start : start + ROWS_AT_ONCE]:
                    by_session.setdefault(row["session_id"], []).append(row)
                for session_id, items in by_session.items():
                    self.tell_watchers(session_id, CommittedRewards(session_id=session_id, items=tuple(items)))
                await self._let_read()

    async def _let_read(self) -> None:
        await asyncio.sleep(0)
        for _ in range(READING_TURNS):
            if all(watcher.outlet.has_room for watcher in self.watchers):
                return
            await asyncio.sleep(READING_S)

    def close_all(self) -> None:
        """Ask every connection to end: the server goes."""
        for outlet in list(self.outlets):
            outlet.close(None, GOING_AWAY)
