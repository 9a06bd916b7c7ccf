"""What this lab sends out over LSL: the samples as recorded, and the events as markers, for LabRecorder and other programs beside us."""

import json
import logging
import socket
from typing import Any

import numpy as np

from hardware_profiles import HardwareProfile
from messaging.records import Chunk, Event
from messaging.words import ClockKind

log = logging.getLogger(__name__)

SOURCE_PREFIX = "rlhb-out-"
"""Begins the source ids of our own streams; no board of ours takes such a stream unless its profile names it in full."""
BUFFER_S = 30
"""So much is kept for a receiver that has stopped reading; then it loses the oldest."""
MARKERS_KEPT_HUNDREDS = 60
TYPE = {"eeg": "EEG", "eog": "EOG", "ecg": "ECG", "emg": "EMG", "trigger": "stim", "photodiode": "misc", "aux": "misc"}
"""Words of the XDF specification that MNE's programs know too."""
UNIT = {"uV": "microvolts", "V": "volts", "a.u.": "none"}


class LslOutlets:
    """The outlets that a profile asks for (`lsl_eeg`, `lsl_markers`); none of its calls blocks or raises.

    Open it once, when the daemon starts: a recorder beside us must see the streams before a session begins.

    Parameters
    ----------
    profile : HardwareProfile
    clock : ClockKind
        On a virtual clock nothing is sent: its times are not LSL's.
    host : str or None
        Part of the streams' source ids, so that two labs in a network are told apart; None for this machine's name.

    Notes
    -----
    Samples carry the sample clock's times, as they stand in the recording; a marker carries its event's ``onset_lsl_s``. Both are LSL
    times of this machine, so a recorder needs no other correction than LSL's own. A push copies into liblsl's queues (0.01-0.1 ms) and never waits
    for a receiver.
    """

    def __init__(self, profile: HardwareProfile, clock: ClockKind = ClockKind.REAL, host: str | None = None) -> None:
        self.failed: str | None = None
        """One sentence for the operator when a stream could not be opened or sending failed; nothing is sent any more then."""
        self._profile = profile
        self._eeg: Any = None
        self._markers: Any = None
        self._newest: tuple[int, float] | None = None
        if clock is ClockKind.VIRTUAL or not (profile.lsl_eeg or profile.lsl_markers):
            return
        source = f"{SOURCE_PREFIX}{profile.name}-{host or socket.gethostname()}"
        try:
            if profile.lsl_eeg:
                self._eeg = _eeg_outlet(profile, f"{source}-eeg")
            if profile.lsl_markers:
                self._markers = _marker_outlet(profile, f"{source}-markers")
        except (RuntimeError, OSError, ValueError) as error:
            self._fail(error)

    @property
    def is_open(self) -> bool:
        """Whether anything is sent."""
        return self._eeg is not None or self._markers is not None

    def chunk(self, chunk: Chunk) -> None:
        """Send samples, as they were recorded."""
        rate_hz = self._profile.sampling_rate_hz
        self._newest = (chunk.sample_index, chunk.time_lsl_s)
        if self._eeg is None or chunk.n_samples == 0:
            return
        try:
            self._eeg.push_chunk(np.ascontiguousarray(chunk.samples, dtype=np.float32), chunk.time_lsl_s + (chunk.n_samples - 1) / rate_hz)
        except (RuntimeError, OSError, ValueError) as error:
            self._fail(error)

    def event(self, event: Event) -> None:
        """Send an event as a marker, as it was recorded."""
        if self._markers is None:
            return
        try:
            self._markers.push_sample([marker_text(event)], self._time_of(event))
        except (RuntimeError, OSError, ValueError) as error:
            self._fail(error)

    def _time_of(self, event: Event) -> float:
        """Onset of an event; of one without a time of its own, the time of its sample. 0 (LSL's "now") where there is neither."""
        if event.onset is not None:
            return event.onset.onset_lsl_s
        if event.onset_sample_index is None or self._newest is None:
            return 0.0
        index, time_lsl_s = self._newest
        return time_lsl_s + (event.onset_sample_index - index) / self._profile.sampling_rate_hz

    def _fail(self, error: Exception) -> None:
        self.close()
        reason = str(error) or type(error).__name__
        self.failed = f"Samples and markers are no longer sent over LSL ({reason}). The recording is not affected; restart the daemon to send again."
        log.error("%s", self.failed)

    def close(self) -> None:
        """Take the streams off the network."""
        self._eeg = self._markers = None


def marker_text(event: Event) -> str:
    """Return an event as a marker's JSON: ids and numbers, never a word that was shown.

    Keys, always all: ``type, event_id, session, presentation, unit`` (its index)``, sample_index``; null where an event has none.
    """
    fields = {
        "type": event.type.value,
        "event_id": event.event_id,
        "session": event.session_id,
        "presentation": event.presentation,
        "unit": None if event.unit is None else event.unit.index,
        "sample_index": event.onset_sample_index,
    }
    return json.dumps(fields, separators=(",", ":"))


def _eeg_outlet(profile: HardwareProfile, source_id: str) -> Any:
    import pylsl

    info = pylsl.StreamInfo(f"rlhb-{profile.name}", "EEG", len(profile.channels), profile.sampling_rate_hz, "float32", source_id)
    description = info.desc()
    channels = description.append_child("channels")
    for channel in profile.channels:
        entry = channels.append_child("channel")
        entry.append_child_value("label", channel.name)
        entry.append_child_value("unit", UNIT[channel.unit])
        entry.append_child_value("type", TYPE[channel.kind])
    reference = description.append_child("reference")
    reference.append_child_value("label", profile.reference)
    reference.append_child_value("ground", profile.ground)
    description.append_child("cap").append_child_value("name", profile.montage)
    acquisition = description.append_child("acquisition")
    acquisition.append_child_value("model", profile.title)
    acquisition.append_child_value("power_line", str(profile.mains_hz))
    return pylsl.StreamOutlet(info, 0, BUFFER_S)


def _marker_outlet(profile: HardwareProfile, source_id: str) -> Any:
    import pylsl

    info = pylsl.StreamInfo(f"rlhb-{profile.name}-markers", "Markers", 1, pylsl.IRREGULAR_RATE, "string", source_id)
    entry = info.desc().append_child("channels").append_child("channel")
    entry.append_child_value("label", "event")
    entry.append_child_value("type", "marker")
    return pylsl.StreamOutlet(info, 0, MARKERS_KEPT_HUNDREDS)
