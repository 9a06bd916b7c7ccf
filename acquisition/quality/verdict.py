"""From a channel's figures to its verdict: bad or not, and why, with value and limit."""

import math
from dataclasses import dataclass

from hardware_profiles.profile import Channel, QualityLimits

BRAIN_KINDS = ("eeg",)
BODY_KINDS = ("eeg", "eog", "ecg", "emg")
"""A trigger line is flat most of the time and an accelerometer has no rail: only electrodes are judged."""


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """What was measured of one channel in a second, or the medians of many seconds."""

    rms_uv: float
    """From 1 Hz on."""
    rms_without_mains_uv: float
    mains_ratio: float | None
    emg_ratio: float | None
    peak_to_peak_uv: float
    largest_uv: float
    """Largest absolute value, offset included: an amplifier rails on that."""
    missing: float
    bridged_with: str | None = None
    bridged_ratio: float = math.inf

    def is_flat(self, limits: QualityLimits) -> bool:
        """Whether it moved by less than the limit."""
        return self.missing < 1 and self.peak_to_peak_uv < limits.flat_uv

    def is_railed(self, limits: QualityLimits) -> bool:
        """Whether it reached the amplifier's rail."""
        return self.missing < 1 and self.largest_uv >= limits.railed_uv


def reasons(channel: Channel, figures: ChannelFigures, limits: QualityLimits) -> tuple[str, ...]:
    """Why a channel is bad, a few words each; empty when it is good.

    Parameters
    ----------
    channel : Channel
    figures : ChannelFigures
    limits : QualityLimits
        Of the profile.
    """
    found = []
    if figures.missing > limits.loss_fraction:
        found.append(f"missing {figures.missing:.0%} (limit {limits.loss_fraction:.0%})")
    if channel.kind not in BODY_KINDS:
        return tuple(found)
    if figures.is_flat(limits):
        return (*found, f"flat: {figures.peak_to_peak_uv:.2g} µV peak to peak (limit {limits.flat_uv:g} µV)")
    if figures.is_railed(limits):
        return (*found, f"at the rail: {figures.largest_uv:.0f} µV (limit {limits.railed_uv:.0f} µV)")
    if figures.bridged_with is not None:
        found.append(f"bridged with {figures.bridged_with}: difference {figures.bridged_ratio:.2%} of the power (limit {limits.bridged_ratio:.2%})")
    if channel.kind in BRAIN_KINDS:
        found += _noise(figures, limits)
    return tuple(found)


def _noise(figures: ChannelFigures, limits: QualityLimits) -> list[str]:
    found = []
    if figures.rms_uv > limits.largest_rms_uv:
        found.append(f"RMS {figures.rms_uv:.0f} µV (limit {limits.largest_rms_uv:g} µV)")
    if figures.mains_ratio is not None and figures.mains_ratio > limits.mains_ratio:
        found.append(f"mains {figures.mains_ratio:.0%} of the power (limit {limits.mains_ratio:.0%})")
    if figures.emg_ratio is not None and figures.emg_ratio > limits.emg_ratio:
        found.append(f"muscle {figures.emg_ratio:.0%} of the power above 30 Hz (limit {limits.emg_ratio:.0%})")
    return found
