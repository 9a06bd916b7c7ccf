"""Protocols: how responses are put before a subject. Default values are the ones of docs/science."""

from dataclasses import dataclass

from server.errors import NotFound


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol and its default values."""

    name: str
    task: str
    """What a decoder must have been calibrated with."""
    title: str
    item_set: str
    soa_ms: float = 450.0
    jitter_ms: float = 50.0
    fixation_ms: float = 500.0
    blank_ms: float = 800.0
    prior: float = 0.15
    """Probability of the positive class before any EEG."""
    trials_per_block: int = 10
    calibrates: bool = False
    """Its items carry marks, and a decoder for `task` is fitted on them."""


_ALL = (
    Protocol(name="token_rsvp", task="token_rsvp", title="Words of a response one after the other", item_set="first"),
    Protocol(
        name="calibration_sentences",
        task="token_rsvp",
        title="Sentences with known errors, to calibrate word by word",
        item_set="calibration_sentences",
        calibrates=True,
    ),
)
PROTOCOLS = {p.name: p for p in _ALL}


def calibration_for(task: str) -> Protocol:
    """Return the protocol that calibrates for a task.

    Raises
    ------
    NotFound
        There is none.
    """
    for found in _ALL:
        if found.task == task and found.calibrates:
            return found
    raise NotFound(f"No protocol calibrates for the task '{task}'.", "Name a decoder for the session instead.")


def protocol(name: str) -> Protocol:
    """Look a protocol up.

    Raises
    ------
    NotFound
        There is none of this name.
    """
    if name not in PROTOCOLS:
        raise NotFound(f"There is no protocol '{name}'.", f"Protocols of this server: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
