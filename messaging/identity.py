"""Deterministic identities, so that sending anything twice is harmless.

Every identity is the first 128 bits of the SHA-256 of a canonical JSON array, as 32 hexadecimal digits. Two programs that
know the same facts derive the same identity without talking to each other.
"""

import hashlib
import json

from messaging.words import EventType, LabelKind, Signal


def digest(*parts: str | int | None) -> str:
    """Hash parts into 32 hexadecimal digits.

    Parameters
    ----------
    *parts : str, int or None
        Order matters; a list of parts never collides with another split of the same characters.

    Returns
    -------
    str
        First 128 bits of the SHA-256 of the JSON array, lower-case hexadecimal.
    """
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def label_id(session_id: str, presentation: str, kind: LabelKind, unit: int | str | None, signal: Signal, subject: str) -> str:
    """Identity of a label: what was shown to whom and which signal it is about, without the decoder.

    Parameters
    ----------
    session_id, presentation, subject : str
        Identities of the session, of one showing of one response, and the subject's pseudonym.
    kind : LabelKind
    unit : int, str or None
        Unit index, or a span such as ``"3:17"``; None for a whole response.
    signal : Signal

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return digest("label", session_id, presentation, kind.value, unit, signal.value, subject)


def event_id(session_id: str, presentation: str | None, kind: EventType, unit: int | str | None = None) -> str:
    """Identity of an event of the ordered log; ``unit`` also takes a running number for events outside trials."""
    return digest("event", session_id, presentation, kind.value, unit)
