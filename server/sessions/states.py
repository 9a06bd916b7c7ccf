"""States of a session and what leads from one to the other."""

from enum import StrEnum

from server.errors import Conflict


class SessionState(StrEnum):
    """created -> ready -> running <-> paused -> finished | aborted."""

    CREATED = "created"
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


LIVE = frozenset({SessionState.RUNNING, SessionState.PAUSED})
OVER = frozenset({SessionState.FINISHED, SessionState.ABORTED})

_STEPS: dict[str, dict[SessionState, SessionState]] = {
    "prepare": {SessionState.CREATED: SessionState.READY},
    "start": {SessionState.READY: SessionState.RUNNING},
    "pause": {SessionState.RUNNING: SessionState.PAUSED},
    "resume": {SessionState.PAUSED: SessionState.RUNNING},
    "finish": {SessionState.RUNNING: SessionState.FINISHED, SessionState.PAUSED: SessionState.FINISHED},
    "abort": {s: SessionState.ABORTED for s in SessionState if s not in OVER},
}
COMMANDS = frozenset(_STEPS)


def next_state(state: SessionState, command: str) -> SessionState:
    """Say where a command leads.

    Raises
    ------
    Conflict
        The command does not fit the state.
    """
    steps = _STEPS[command]
    if state not in steps:
        fitting = [c for c, s in _STEPS.items() if state in s]
        remedy = f"Possible now: {', '.join(fitting)}." if fitting else "Make a new session."
        raise Conflict(f"A session that is {state} cannot take the command '{command}'.", remedy)
    return steps[state]
