"""The last look before a session starts: what in the signal would make its labels worthless."""

import json
from pathlib import Path

from messaging.lab import ChannelQuality, LabQuality
from server.errors import Conflict

FRESH_S = 5.0
"""Quality comes once a second; older than this, nothing is known."""
MOSTLY = 0.5
NAMED = 6
PREFIX = "Started although the signal check fails"


def critical_findings(quality: LabQuality | None, age_s: float, needed: frozenset[str] | None) -> list[str]:
    """Say what is wrong with the channels that are needed.

    Parameters
    ----------
    quality : LabQuality or None
        The latest that came.
    age_s : float
    needed : frozenset of str or None
        Channels of the session's decoder, in lower case; None: all.

    Returns
    -------
    list of str
        Empty when nothing is wrong, or nothing is known: no daemon has told anything yet.

    Notes
    -----
    Critical is what no decoder can do with: a needed channel that is flat, at the rail or mostly missing. Noise is for the gate and the
    artifact rules.
    """
    if quality is None or age_s > FRESH_S:
        return []
    return [f"{c.name} {_wrong(c)}" for c in quality.channels if _wrong(c) and (needed is None or c.name.lower() in needed)]


def _wrong(channel: ChannelQuality) -> str:
    if channel.flat or channel.railed or channel.missing > MOSTLY:
        return channel.reasons[0] if channel.reasons else "carries no signal"
    return ""


def start_text(findings: list[str], reason: str) -> str:
    """Return what goes into the journal with the start.

    Raises
    ------
    Conflict
        Something is wrong and no reason was given.
    """
    if not findings:
        return reason
    listed = "; ".join(findings[:NAMED]) + (f"; and {len(findings) - NAMED} more" if len(findings) > NAMED else "")
    if not reason.strip():
        raise Conflict(
            f"The signal check fails: {listed}.", "Mend the electrodes, or start with a reason as `text`: it goes into the journal with what is wrong."
        )
    return reason if reason.startswith(PREFIX) else f"{PREFIX} ({listed}): {reason.strip()}"


def decoder_channels(decoders_dir: Path, name: str | None, version: int | None) -> frozenset[str] | None:
    """Return the channels that a decoder of the registry reads, in lower case; None when there is none, or its file does not say."""
    if name is None or version is None:
        return None
    try:
        spec = json.loads((decoders_dir / name / str(version) / "decoder.json").read_text(encoding="utf-8"))["spec"]
        return frozenset(str(channel).lower() for channel in spec["preprocessing"]["channel_names"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
