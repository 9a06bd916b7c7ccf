"""What an operator may ask of the lab itself: to measure the electrodes, to pause or move a replay."""

from typing import Literal, assert_never

import sqlalchemy as sa

from messaging.lab import MeasureImpedance, ReplayControl
from messaging.pages import OperatorCommand
from messaging.words import Source
from server import clock
from server.errors import BadRequest, Conflict
from server.service import Service
from server.sessions.states import LIVE, SessionState
from server.switchboard import IMPEDANCE_S, LabLink
from server.tables import sessions, trials

LabCommand = Literal["measure_impedance", "stop_impedance", "replay_pause", "replay_resume", "replay_seek"]


async def command_lab(service: Service, session_id: str, command: LabCommand, wish: OperatorCommand) -> None:
    """Send a command to the daemon.

    Parameters
    ----------
    service : Service
    session_id : str
        Session from whose page the command comes.
    command : str
    wish : OperatorCommand
        Channels and position of the command.

    Raises
    ------
    Conflict
        No daemon is connected, or it cannot do this, or not now.
    BadRequest
        A position is missing, or a channel is not the board's.
    """
    link = service.switchboard.lab
    if link is None:
        raise Conflict("No acquisition daemon is connected.", "Start one with `rlhb acquire` or `rlhb replay`.")
    match command:
        case "measure_impedance":
            _check_channels(link, wish.channels)
            await _need_quiet(service)
            link.impedance_until_s = clock.server_time_s() + IMPEDANCE_S
            link.outlet.offer(MeasureImpedance(on=True, channels=wish.channels))
        case "stop_impedance":
            link.outlet.offer(MeasureImpedance(on=False))
        case "replay_pause" | "replay_resume" | "replay_seek":
            _need_replay(link, session_id)
            await _need_quiet(service)
            link.outlet.offer(_replay_control(command, wish.position_s))
        case _:
            assert_never(command)
    service.switchboard.changed.ring()


def _replay_control(command: Literal["replay_pause", "replay_resume", "replay_seek"], position_s: float | None) -> ReplayControl:
    if command == "replay_pause":
        return ReplayControl(action="pause")
    if command == "replay_resume":
        return ReplayControl(action="resume")
    if position_s is None:
        raise BadRequest("The position to go to is missing.", "Give `position_s`, seconds from the start of the recording.")
    return ReplayControl(action="seek", position_s=position_s)


def _check_channels(link: LabLink, channels: tuple[str, ...]) -> None:
    profile = link.hello.profile
    if profile.driver.impedance is None:
        remedy = "Check the electrodes by their signal: the quality list names what is wrong with each."
        raise Conflict(f"The board '{profile.title}' cannot measure impedance.", remedy)
    unknown = [name for name in channels if name not in profile.eeg_names]
    if unknown:
        raise BadRequest(f"The board has no EEG channel '{unknown[0][:40]}'.", f"Its EEG channels are {', '.join(profile.eeg_names)}.")


def _need_replay(link: LabLink, session_id: str) -> None:
    if link.hello.source is not Source.REPLAY:
        raise Conflict("The connected board is no replay; a live signal cannot be paused or moved.", "Pause the session instead.")
    if link.own_session not in (None, session_id):
        raise Conflict(f"The daemon replays another session, {link.own_session}.", "Open the operator page of that session.")
    if link.status is not None and link.status.state == "ended":
        raise Conflict("The replay has ended.", "Start it again with `rlhb replay`.")


async def _need_quiet(service: Service) -> None:
    """Nothing is being presented: neither a text on a screen, nor one that may follow at any moment."""
    shown = sa.select(trials.c.trial).where(trials.c.session_id == sessions.c.session_id, trials.c.state == "running").exists()
    live = sessions.c.state.in_([s.value for s in LIVE])
    query = sa.select(sessions.c.session_id).where(~sessions.c.self_run, live, sa.or_(sessions.c.state == SessionState.RUNNING.value, shown))
    async with service.database.read() as connection:
        busy = (await connection.execute(query)).scalars().first()
    if busy is not None:
        raise Conflict(f"Texts are being presented in session {busy}.", "Pause it and wait for the end of the text, or finish it.")
