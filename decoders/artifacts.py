"""Which windows get no value: samples missing or still settling, amplitudes outside the rules."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders import kernels
from decoders.spec import ArtifactRules


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """Whether a window may be decoded."""

    gap: int
    """Samples of the window that were missing, interpolated ones included."""
    rejected: str | None
    """Why it gets no value, e.g. ``amplitude: Fp1 212 uV > 150 uV``; None when it may be decoded."""


def judge_window(window: NDArray[np.float64], marks: NDArray[np.uint8], rules: ArtifactRules, channel_names: tuple[str, ...]) -> WindowVerdict:
    """Judge one window; the same function runs at fitting and online.

    Parameters
    ----------
    window : (n_samples, n_channels) float64
        Filtered, picked channels, microvolt.
    marks : (n_samples,) uint8
        Marks of `decoders.kernels`.
    rules : ArtifactRules
    channel_names : tuple of str
        Names of the channels, for the sentence.
    """
    interpolated, lost, settling = kernels.count_marks(marks)
    gap = interpolated + lost
    if lost:
        return WindowVerdict(gap, f"gap: {gap} of {len(marks)} samples are missing")
    if settling:
        return WindowVerdict(gap, f"settling: {settling} of {len(marks)} samples lie too near to a start of the filter")
    return WindowVerdict(gap, broken_rule(window, rules, channel_names))


def broken_rule(window: NDArray[np.float64], rules: ArtifactRules, channel_names: tuple[str, ...]) -> str | None:
    """Name the channel, value and limit of the worst breach of the rules, or None.

    Parameters
    ----------
    window : (n_samples, n_channels) float64
        Microvolt.
    rules : ArtifactRules
    channel_names : tuple of str

    Returns
    -------
    str or None
        ``amplitude: …``, ``peak to peak: …`` or ``flat: …``, the first of the three that is broken. A channel that is not a
        number breaks the first.
    """
    lowest, highest = np.empty(window.shape[1]), np.empty(window.shape[1])
    kernels.amplitude_range(window, lowest, highest)
    peak = np.maximum(highest, -lowest)
    span = highest - lowest
    # argmax and argmin find a NaN first; comparisons are written so that NaN breaks the rule.
    c = int(peak.argmax())
    if not peak[c] <= rules.max_abs_uv:
        return f"amplitude: {channel_names[c]} {_uv(peak[c])} > {_uv(rules.max_abs_uv)}"
    c = int(span.argmax())
    if not span[c] <= rules.max_peak_to_peak_uv:
        return f"peak to peak: {channel_names[c]} {_uv(span[c])} > {_uv(rules.max_peak_to_peak_uv)}"
    c = int(span.argmin())
    if not span[c] >= rules.min_peak_to_peak_uv:
        return f"flat: {channel_names[c]} {_uv(span[c])} < {_uv(rules.min_peak_to_peak_uv)}"
    return None


def _uv(value: float) -> str:
    return f"{value:.4g} uV"
