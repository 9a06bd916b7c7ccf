"""States of a session and what leads from one to the other."""

from enum import StrEnum

from server.errors import Conflict


class SessionState(StrEnum):
    """created -> [checking -> calibrating -> validating ->] ready -> running <-> paused -> finished | aborted."""

    CREATED = "created"
    CHECKING = "checking"
    """Everything is planned; the electrodes are looked at, then the calibration starts."""
    CALIBRATING = "calibrating"
    VALIDATING = "validating"
    """The decoder is being fitted and judged, or its verdict waits for the operator."""
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    ABORTED = "aborted"


class RecordingState(StrEnum):
    """What the daemon is to do about a session."""

    NONE = "none"
    WANTED = "wanted"
    STOPPING = "stopping"
    STOPPED = "stopped"


LIVE = frozenset({SessionState.CALIBRATING, SessionState.VALIDATING, SessionState.RUNNING, SessionState.PAUSED})
OVER = frozenset({SessionState.FINISHED, SessionState.ABORTED})
PRESENTING = frozenset({SessionState.CALIBRATING, SessionState.RUNNING})
"""Trials follow one another."""

_STEPS: dict[str, dict[SessionState, SessionState]] = {
    "prepare": {SessionState.CREATED: SessionState.READY},
    "check": {SessionState.CREATED: SessionState.CHECKING},
    "start": {SessionState.READY: SessionState.RUNNING, SessionState.CHECKING: SessionState.CALIBRATING},
    "calibrate": dict.fromkeys((SessionState.VALIDATING, SessionState.READY, SessionState.PAUSED), SessionState.CALIBRATING),
    "validate": {SessionState.CALIBRATING: SessionState.VALIDATING},
    "accept": {SessionState.VALIDATING: SessionState.READY},
    "pause": dict.fromkeys(PRESENTING, SessionState.PAUSED),
    "resume": {SessionState.PAUSED: SessionState.RUNNING},
    "finish": dict.fromkeys((SessionState.RUNNING, SessionState.PAUSED), SessionState.FINISHED),
    "abort": {s: SessionState.ABORTED for s in SessionState if s not in OVER},
}
COMMANDS = frozenset(_STEPS)
OF_THE_SERVER = frozenset({"prepare", "check", "validate"})
"""Steps that nobody asks for: they follow from what has happened."""


def next_state(state: SessionState, command: str, *, calibrating: bool = False) -> SessionState:
    """Say where a command leads.

    Parameters
    ----------
    state : SessionState
    command : str
    calibrating : bool
        The session's calibration is under way: a pause of it leads back to it.

    Raises
    ------
    Conflict
        The command does not fit the state.
    """
    steps = _STEPS[command]
    if state not in steps:
        fitting = [c for c, s in _STEPS.items() if state in s and c not in OF_THE_SERVER]
        remedy = f"Possible now: {', '.join(fitting)}." if fitting else "Make a new session."
        raise Conflict(f"A session that is {state} cannot take the command '{command}'.", remedy)
    if command == "resume" and calibrating:
        return SessionState.CALIBRATING
    return steps[state]
