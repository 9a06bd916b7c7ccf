"""EDF+ and BDF+: integers over a range per channel, with annotations."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recordings.errors import RecordingError
from recordings.export.content import NOT_RECORDED, Setup, even_samples, exported_events, not_recorded, setup_of
from recordings.recording import Recording

_LABEL_CHARACTERS = 16
_LONGEST_RECORD_S = 60
_LARGEST = 1e6
"""A physical minimum has eight characters in the header, sign and point among them."""
_COARSE_UV = 0.1
"""A step above this is said: amplifiers resolve 0.02 to 0.25 microvolt."""
_PREFIXES = {"eeg": "EEG", "eog": "EOG", "ecg": "ECG", "emg": "EMG"}


def write_edf(recording: Recording, path: Path, *, bdf: bool, with_text: bool, say_kinds: bool = True) -> tuple[str, ...]:
    """Write EDF+ (16 bit) or BDF+ (24 bit).

    The physical range of a channel is that of its samples, so nothing is clipped; the rounding is at most half a step,
    ``(maximum - minimum) / (2 ** bits - 1)``. Gaps are filled and annotated ``BAD_ACQ_SKIP``, so is the filling up of the last
    data record.

    Parameters
    ----------
    recording : Recording
    path : Path
    bdf, with_text : bool
    say_kinds : bool
        Labels begin with the channel's kind (``EEG Fz``), as EDF+ wants it.

    Returns
    -------
    tuple of str
        Remarks: the step, where it is coarse.

    Raises
    ------
    RecordingError
        The rate does not fit whole data records, or a channel holds what is no number.

    References
    ----------
    Kemp & Olivan (2003), European data format 'plus' (EDF+), doi:10.1016/S1388-2457(03)00123-8.
    """
    import edfio  # only needed here

    setup = setup_of(recording)
    rate = Fraction(recording.sampling_rate_hz).limit_denominator(1000)
    if abs(float(rate) - recording.sampling_rate_hz) > 1e-9 * recording.sampling_rate_hz or rate.denominator > _LONGEST_RECORD_S:
        raise RecordingError(f"EDF and BDF need whole samples in whole seconds; {recording.sampling_rate_hz!r} Hz has none. Export FIF or XDF.")
    n_samples = math.ceil(recording.end_index / rate.numerator) * rate.numerator
    samples = even_samples(recording, n_samples).astype(np.float64)
    _check_values(recording, samples)
    kind: Any = edfio.BdfSignal if bdf else edfio.EdfSignal
    labels = edf_labels(recording.channel_names, recording.channel_kinds if say_kinds else ("",) * len(recording.channel_names))
    signals = [
        kind(
            np.ascontiguousarray(samples[:, k]),
            float(rate),
            label=label,
            physical_dimension=_ascii(setup.units[k], "u", 8),
            physical_range=_range(samples[:, k].min(), samples[:, k].max()),
        )
        for k, label in enumerate(labels)
    ]
    annotations = _annotations(recording, n_samples, with_text, edfio.EdfAnnotation)
    whole: Any = edfio.Bdf if bdf else edfio.Edf
    file = whole(signals, annotations=annotations, data_record_duration=float(rate.denominator), **_header(setup, edfio))
    file.write(path)
    steps = [(s.physical_max - s.physical_min) / (s.digital_max - s.digital_min) for s in signals]
    return _step_remarks(recording, steps, "BDF" if bdf else "EDF")


def _check_values(recording: Recording, samples: NDArray[np.float64]) -> None:
    """Refuse what the formats cannot hold."""
    if not np.isfinite(samples).all():
        raise RecordingError(f"{recording.path} holds samples that are no numbers, which EDF and BDF cannot. Export FIF or XDF.")
    for k, name in enumerate(recording.channel_names):
        largest = float(np.abs(samples[:, k]).max())
        if largest >= _LARGEST:
            raise RecordingError(f"{recording.path}: channel {name} reaches {largest:g}; EDF and BDF headers hold values below {_LARGEST:g}. Export FIF.")


def _range(lowest: float, highest: float) -> tuple[float, float]:
    return (lowest, highest) if highest > lowest else (lowest - 1.0, highest + 1.0)


def edf_labels(names: tuple[str, ...], kinds: tuple[str, ...]) -> list[str]:
    """Labels of EDF+, ``EEG Fz``: 16 ASCII characters, each once; where a name is too long the kind is left out first."""
    labels: list[str] = []
    for name, kind in zip(names, kinds, strict=True):
        plain = _ascii(name, "_", _LABEL_CHARACTERS)
        full = f"{_PREFIXES[kind]} {plain}" if kind in _PREFIXES else plain
        label = full if len(full) <= _LABEL_CHARACTERS else plain
        number = 2
        while label in labels:
            ending = f"~{number}"
            label, number = plain[: _LABEL_CHARACTERS - len(ending)] + ending, number + 1
        labels.append(label)
    return labels


def _ascii(text: str, instead: str, n_characters: int) -> str:
    return "".join(c if " " <= c <= "~" else instead for c in text)[:n_characters].strip()


def _word(text: str, n_characters: int = 30) -> str:
    """Subfield of the header: no spaces (EDF+ separates by them)."""
    return "_".join(_ascii(text, "_", n_characters).split()) or "X"


def _header(setup: Setup, edfio: Any) -> dict[str, Any]:
    started = setup.started
    # 80 characters in all, of which the date takes 22
    recording = edfio.Recording(
        startdate=started.date() if started else None,
        hospital_administration_code="X",
        equipment_code=_word(setup.board_name, 24),
        additional=(_word(setup.software, 20),),
    )
    patient = edfio.Patient(code=_word(setup.subject, 60))
    return {"patient": patient, "recording": recording, "starttime": started.time().replace(microsecond=0, tzinfo=None) if started else None}


def _annotations(recording: Recording, n_samples: int, with_text: bool, make: Any) -> list[Any]:
    rate_hz = recording.sampling_rate_hz
    gaps = [*not_recorded(recording), *([(recording.end_index, n_samples)] if n_samples > recording.end_index else [])]
    found = [make(first / rate_hz, (end - first) / rate_hz, NOT_RECORDED) for first, end in gaps]
    # an event before the first sample has no place in EDF+: onsets count from the file's start
    events = [e for e in exported_events(recording, with_text=with_text) if e.onset_sample >= 0]
    found += [
        make(e.onset_sample / rate_hz, e.duration_s if e.duration_s > 0 else None, "".join(c if c.isprintable() else " " for c in e.description))
        for e in events
    ]
    return sorted(found, key=lambda a: a.onset)


def _step_remarks(recording: Recording, steps: list[float], form: str) -> tuple[str, ...]:
    coarsest = int(np.argmax(steps))
    said = f"Coarsest step of {form}: {steps[coarsest]:.3g} (channel {recording.channel_names[coarsest]}); values are rounded by at most half of it."
    if steps[coarsest] > _COARSE_UV and form == "EDF":
        said += " That is coarse for EEG, as the channel's offset drifts far: BDF or FIF keep more."
    return (said,)
