"""Whether a whole recording can be EEG at all: judged by physics before anything is learnt from it.

A recording is refused when it cannot be what its channels say, whoever wore the cap:

- two channels hold the same samples: every electrode has an amplifier of its own, whose noise alone makes a difference; that also goes
  for channels that stand at the same rail throughout, of which no covariance can be inverted;
- the amplitude of most channels is beyond a millivolt: the cortex itself does not give that to electrodes that lie on it;
- the amplitude of most channels is under that of any amplifier's own noise: the units are wrong;
- most channels are flat, at the rail, or missing for most of the time.

Noise, mains, muscle, a loose or bridged electrode among good ones are told as warnings: real recordings have them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquisition.quality.spectrum import Spectrometer
from acquisition.quality.verdict import ChannelFigures, reasons
from acquisition.quality.window import IDENTICAL_RATIO, measure_second
from hardware_profiles.profile import Channel, QualityLimits
from recordings.recording import Recording

IMPOSSIBLE_RMS_UV = 1000.0
"""Potentials on the cortex itself seldom pass a millivolt; skull and scalp leave a fifth to a tenth of that (Nunez and Srinivasan 2006,
Electric Fields of the Brain, doi:10.1093/acprof:oso/9780195050387.001.0001)."""
IMPOSSIBLY_SMALL_RMS_UV = 0.05
"""The best EEG amplifiers' own noise is 0.1 to 0.3 microvolt from 1 to 40 Hz."""
LIKELY_RMS_UV = (0.5, 500.0)
MOST = 0.5
"""Most channels, most seconds."""
SECONDS_AT_MOST = 300
"""A long recording is judged by this many seconds, spread evenly."""


@dataclass(frozen=True, slots=True)
class RecordingQuality:
    """What was found in a recording."""

    seconds: int
    """How many seconds were looked at."""
    refused: tuple[str, ...]
    """Why it cannot be EEG of its channels, one sentence each; empty when it can."""
    warnings: tuple[str, ...]
    """What is noisy in it, a few words each."""
    channels: tuple[tuple[str, ChannelFigures], ...]
    """EEG channels with the medians over the seconds."""


def judge_recording(recording: Recording, limits: QualityLimits, mains_hz: float = 50.0) -> RecordingQuality:
    """Judge the EEG channels of a recording.

    Parameters
    ----------
    recording : Recording
    limits : QualityLimits
        Of the profile it was recorded with, or the defaults: they give the warnings; what is refused is a matter of physics.
    mains_hz : float
    """
    picks = [k for k, kind in enumerate(recording.channel_kinds) if kind == "eeg"]
    names = [recording.channel_names[k] for k in picks]
    spectrometer = Spectrometer(recording.sampling_rate_hz, len(picks), mains_hz)
    figures: list[list[ChannelFigures]] = []
    alike = np.zeros((len(picks), len(picks)))
    bridged = np.zeros((len(picks), len(picks)))
    for rows in _seconds(recording, picks, spectrometer.n_samples):
        of_second, unlikeness = measure_second(spectrometer, rows)
        figures.append(of_second)
        alike += unlikeness < IDENTICAL_RATIO
        bridged += unlikeness < limits.bridged_ratio
    if not figures:
        return RecordingQuality(0, (), ("shorter than a second: its quality was not judged",), ())
    n = len(figures)
    medians = [_medians([second[k] for second in figures]) for k in range(len(picks))]
    refused = _refusals(names, medians, limits, np.maximum(alike / n, _same_samples(recording, picks)))
    warnings = (*_warnings(names, medians, limits, (bridged - alike) / n), *_zeros(recording, picks))
    return RecordingQuality(n, refused, warnings, tuple(zip(names, medians, strict=True)))


def _same_samples(recording: Recording, picks: list[int]) -> NDArray[np.bool_]:
    """Which channels hold the same samples throughout, bit for bit, (n_channels, n_channels)."""
    digests = np.array([hashlib.sha256(np.ascontiguousarray(recording.samples[:, k]).tobytes()).hexdigest() for k in picks])
    same: NDArray[np.bool_] = digests[:, None] == digests[None, :]
    np.fill_diagonal(same, False)
    return same


def _zeros(recording: Recording, picks: list[int]) -> list[str]:
    """Samples that are zero in all channels at once: packets that another program lost and filled."""
    n = int(np.count_nonzero(~recording.samples[:, picks].any(axis=1)))
    return [f"{n} samples are zero in all channels at once: they were lost and filled when this was recorded"] if 0 < n < recording.n_samples else []


def _seconds(recording: Recording, picks: list[int], n: int) -> Iterator[NDArray[np.float32]]:
    """Whole seconds without a gap, at most `SECONDS_AT_MOST`, spread evenly."""
    starts = [row for s in recording.segments for row in range(s.row, s.row + s.n_samples - n + 1, n)]
    for at in np.unique(np.linspace(0, len(starts) - 1, min(len(starts), SECONDS_AT_MOST)).round().astype(int)):
        yield recording.samples[starts[at] : starts[at] + n, picks]


def _medians(seconds: list[ChannelFigures]) -> ChannelFigures:
    def median(name: str) -> float | None:
        values = [v for f in seconds if (v := getattr(f, name)) is not None]
        return float(np.median(values)) if values else None

    return ChannelFigures(
        rms_uv=median("rms_uv") or 0.0,
        rms_without_mains_uv=median("rms_without_mains_uv") or 0.0,
        mains_ratio=median("mains_ratio"),
        emg_ratio=median("emg_ratio"),
        peak_to_peak_uv=median("peak_to_peak_uv") or 0.0,
        largest_uv=median("largest_uv") or 0.0,
        missing=median("missing") or 0.0,
    )


def _refusals(names: list[str], medians: list[ChannelFigures], limits: QualityLimits, alike: NDArray[np.float64]) -> tuple[str, ...]:
    found = [
        f"The channels {_listed([names[k] for k in group])} are identical: the same samples stand under several names, so they are not what their names say."
        for group in _groups(alike > MOST)
    ]
    dead = {k: _dead(f, limits) for k, f in enumerate(medians)}
    live = [k for k in range(len(names)) if dead[k] is None]
    if len(live) < MOST * len(names):
        what = _listed([f"{names[k]} ({dead[k]})" for k in dead if dead[k]])
        found.append(f"Most channels carry no signal: {what}. Check electrodes, reference and ground.")
    huge = [k for k in live if medians[k].rms_without_mains_uv > IMPOSSIBLE_RMS_UV]
    if live and len(huge) > MOST * len(live):
        found.append(_amplitude("impossibly large", huge, names, medians, f"over {IMPOSSIBLE_RMS_UV:g}"))
    tiny = [k for k in live if medians[k].rms_without_mains_uv < IMPOSSIBLY_SMALL_RMS_UV]
    if live and len(tiny) > MOST * len(live):
        found.append(_amplitude("impossibly small", tiny, names, medians, f"under {IMPOSSIBLY_SMALL_RMS_UV:g}"))
    return tuple(found)


def _amplitude(what: str, picks: list[int], names: list[str], medians: list[ChannelFigures], bound: str) -> str:
    rms = [medians[k].rms_without_mains_uv for k in picks]
    listed = _listed([f"{names[k]} {_readable(uv)}" for k, uv in zip(picks, rms, strict=True)])
    factor = next((f for f in (1e6, 1e3, 1e-3, 1e-6) if all(LIKELY_RMS_UV[0] < uv / f < LIKELY_RMS_UV[1] for uv in rms)), None)
    remedy = (
        f"Divided by {factor:,.10g} they would be EEG: correct the unit in the file."
        if factor
        else "Correct the file's unit, or record with electrodes on a head."
    )
    return f"The amplitude is {what} for EEG: RMS from 1 Hz on, in microvolt: {listed}; no scalp gives {bound}. {remedy}"


def _readable(value: float) -> str:
    """Three digits, never as a power of ten."""
    return f"{float(f'{value:.3g}'):,.10g}"


def _dead(figures: ChannelFigures, limits: QualityLimits) -> str | None:
    if figures.missing > MOST:
        return "missing"
    # A recording in the wrong unit is not flat: that is told from the amplitude.
    if figures.peak_to_peak_uv == 0:
        return "flat"
    return "at the rail" if figures.is_railed(limits) and figures.rms_without_mains_uv < IMPOSSIBLE_RMS_UV else None


def _warnings(names: list[str], medians: list[ChannelFigures], limits: QualityLimits, bridged: NDArray[np.float64]) -> tuple[str, ...]:
    found = []
    for name, figures in zip(names, medians, strict=True):
        why = reasons(Channel(name=name[:32] or "?"), figures, limits)
        if why:
            found.append(f"{name}: {', '.join(why)}")
    found += [f"bridged: {_listed([names[k] for k in group])}" for group in _groups(bridged > MOST)]
    return tuple(found)


def _groups(joined: NDArray[np.bool_]) -> list[list[int]]:
    """Channels that hang together, in order."""
    left, found = set(range(len(joined))), []
    while left:
        todo, group = [min(left)], set()
        while todo:
            k = todo.pop()
            group.add(k)
            todo += [int(j) for j in np.flatnonzero(joined[k]) if int(j) not in group]
        left -= group
        if len(group) > 1:
            found.append(sorted(group))
    return found


def _listed(words: list[str]) -> str:
    shown = words[:12]
    return ", ".join(shown) + (f" and {len(words) - len(shown)} more" if len(words) > len(shown) else "")
