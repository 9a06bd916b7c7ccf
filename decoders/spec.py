"""What a decoder does with a stream, as frozen values: preprocessing, window, artifact rules, features.

They are written into the decoder's file, so that what was done at fitting is done online, sample for sample.
"""

from dataclasses import dataclass
from enum import StrEnum

from messaging.words import Signal


class DecoderError(Exception):
    """Root of the errors of this room; the message holds the value, the limit and the remedy."""


class FitError(DecoderError):
    """The recordings do not allow a decoder to be fitted."""


class MismatchError(DecoderError):
    """A decoder and a stream do not fit: rate, channels, task or set-up."""


class StreamError(DecoderError):
    """Samples or records that cannot follow the ones before."""


class RegistryError(DecoderError):
    """A decoder is missing from the registry, or its files are damaged."""


class Reference(StrEnum):
    """Re-referencing before the filter."""

    AS_RECORDED = "as_recorded"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Causal, streaming: pick channels by name, re-reference, Butterworth second-order sections."""

    sampling_rate_hz: float
    channel_names: tuple[str, ...]
    """Channels used, in this order; a stream may have more, in any order."""
    highpass_hz: float
    lowpass_hz: float
    order: int = 2
    reference: Reference = Reference.AS_RECORDED
    settle_s: float = 1.0
    """After the start and after a gap longer than `max_interpolated_gap_ms` windows are rejected for this long."""
    max_interpolated_gap_ms: float = 40.0


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Windowed means relative to an onset."""

    edges_ms: tuple[float, ...]
    """Ascending edges; feature k is the mean from edge k (included) to edge k+1 (excluded)."""
    baseline_ms: tuple[float, float] | None = None
    """Mean of this interval is subtracted per channel; None for none."""

    @property
    def start_ms(self) -> float:
        """Earliest time the window needs, relative to the onset."""
        return min(self.edges_ms[0], self.baseline_ms[0]) if self.baseline_ms else self.edges_ms[0]

    @property
    def end_ms(self) -> float:
        """Time after the last sample the window needs."""
        return max(self.edges_ms[-1], self.baseline_ms[1]) if self.baseline_ms else self.edges_ms[-1]


@dataclass(frozen=True, slots=True)
class ArtifactRules:
    """A window that breaks one of these gets no value. Judged on the filtered, picked channels inside the window."""

    max_abs_uv: float = 150.0
    max_peak_to_peak_uv: float = 250.0
    min_peak_to_peak_uv: float = 0.05
    """Less is a flat channel."""


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """Everything but the learnt numbers."""

    pipeline: str
    signal: Signal
    task: str
    soa_ms: float | None
    preprocessing: Preprocessing
    window: WindowSpec
    artifacts: ArtifactRules
