"""A recording as MNE's `Raw`, and as a FIF file."""

from pathlib import Path
from typing import Any

import numpy as np

from recordings.export.content import NOT_RECORDED, Setup, even_samples, exported_events, not_recorded, setup_of
from recordings.recording import Recording

MNE_KINDS = {"eeg": "eeg", "eog": "eog", "ecg": "ecg", "emg": "emg", "aux": "misc", "trigger": "stim", "photodiode": "misc"}
_TO_VOLT = {"uV": 1e-6, "V": 1.0, "a.u.": 1.0}


def raw_of(recording: Recording, *, with_text: bool) -> Any:
    """Build an `mne.io.RawArray`: volts, gaps held and annotated ``BAD_ACQ_SKIP``, events as annotations.

    Returns
    -------
    mne.io.RawArray
    """
    import mne  # takes about a second

    setup = setup_of(recording)
    kinds = [MNE_KINDS.get(kind, "misc") for kind in recording.channel_kinds]
    info = mne.create_info(list(recording.channel_names), recording.sampling_rate_hz, kinds)
    # float64 holds microvolt in float32 times 1e-6 so exactly that reading gives the same float32 again
    volt = even_samples(recording).T.astype(np.float64) * np.array([_TO_VOLT[unit] for unit in setup.units])[:, np.newaxis]
    raw = mne.io.RawArray(volt, info, copy="auto", verbose="ERROR")
    describe(raw, setup)
    rate_hz = recording.sampling_rate_hz
    marks = [(first / rate_hz, (end - first) / rate_hz, NOT_RECORDED) for first, end in not_recorded(recording)]
    marks += [(e.onset_sample / rate_hz, e.duration_s, e.description) for e in exported_events(recording, with_text=with_text)]
    inside = [m for m in marks if 0 <= m[0] < recording.end_index / rate_hz]
    raw.set_annotations(mne.Annotations([m[0] for m in inside], [m[1] for m in inside], [m[2] for m in inside]), verbose="ERROR")
    return raw


def describe(raw: Any, setup: Setup) -> None:
    """Say in MNE's header who was recorded, when, and with what."""
    if setup.started is not None:
        raw.set_meas_date(setup.started)
    raw.info["line_freq"] = None if setup.mains_hz is None else float(setup.mains_hz)
    raw.info["subject_info"] = {"his_id": setup.subject}
    raw.info["device_info"] = {"type": setup.board, "model": setup.board_name}
    set_up = f"task {setup.task}; reference {setup.reference}; ground {setup.ground}; {setup.software}"
    with raw.info._unlock():  # noqa: SLF001 - MNE's own way for fields that its methods do not set
        raw.info["description"] = f"recording {setup.recording_id}; session {setup.session_id}; {set_up}"


def write_fif(recording: Recording, path: Path, *, with_text: bool) -> tuple[str, ...]:
    """Write a FIF file in double precision: reading it gives every float32 sample again, bit for bit."""
    raw_of(recording, with_text=with_text).save(path, fmt="double", verbose="ERROR")
    return ("FIF holds float64 volts; the samples read from it are the recording's, bit for bit.",)
