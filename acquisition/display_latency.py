"""Display latency of a set-up: from the frame that the page reports to the light that a photodiode sees."""

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acquisition.board import AcquisitionError
from acquisition.edges import Edge, EdgeDetector
from acquisition.sample_clock import SETTLED_S
from hardware_profiles import HardwareProfile
from hardware_profiles.profile import OnsetEdges
from messaging.records import Chunk, Event, Header, Onset, Record
from messaging.words import EventType
from recordings.log import read_log

FEWEST_EDGES = 20
ENOUGH_EDGES = 50
BIMODAL_D = 4.5
"""Ashman's D of the best split into two; a uniform distribution has 3.5, a normal one 2.7 (Ashman et al. 1994, doi:10.1086/117248)."""
SMALLEST_MODE = 0.05


class LatencyError(AcquisitionError):
    """The recording does not say what the display latency is."""


@dataclass(frozen=True, slots=True)
class DisplayLatency:
    """Latencies of a recording's units."""

    latency_ms: NDArray[np.float64]
    """(n_edges,) edge minus reported frame."""
    n_units: int
    """Units with a frame time."""
    channel: str
    sampling_sd_ms: float
    """What sampling adds to the standard deviation."""

    @property
    def mean_ms(self) -> float:
        """Mean latency."""
        return float(self.latency_ms.mean())

    @property
    def sd_ms(self) -> float:
        """Standard deviation of single units."""
        return float(self.latency_ms.std(ddof=1))

    @property
    def profile_lines(self) -> str:
        """The two lines for the profile."""
        return f"display_latency_ms = {self.mean_ms:.2f}\ndisplay_latency_sd_ms = {self.sd_ms:.2f}"


def measure_display_latency(path: Path, channel: str | None = None) -> DisplayLatency:
    """Measure from a recording made with a photodiode on the screen.

    Parameters
    ----------
    path : Path
        Own recording.
    channel : str or None
        Name of the photodiode's channel; None: `onset_edges` of the profile, or the only channel of kind photodiode or trigger.

    Raises
    ------
    LatencyError
        No such channel, fewer than `FEWEST_EDGES` units with an edge, or two latencies instead of one.
    RecordingError
        The file is none of ours.

    Notes
    -----
    Frames are taken as the page reported them (page time and both clock fits stand in the event), whether or not the onset was moved to its edge since. The
    first ten seconds are left out, in which the sample clock settles.
    """
    log = read_log(path)
    header = next(log)
    assert isinstance(header, Header)
    edges = _edges_of(header.profile, channel)
    found, frames, times = _walk(log, header.profile, edges)
    start_s = times[1][0] + SETTLED_S if len(times[1]) else math.inf
    frames = [f for f in frames if f >= start_s]
    latencies = match_frames(frames, _edge_times(found, times, header.profile.sampling_rate_hz), edges)
    sampling_sd_ms = 1e3 / header.profile.sampling_rate_hz / math.sqrt(12)
    result = DisplayLatency(latencies * 1e3, len(frames), edges.channel, sampling_sd_ms)
    _judge(result, path)
    return result


def _edges_of(profile: HardwareProfile, channel: str | None) -> OnsetEdges:
    sensors = [c.name for c in profile.channels if c.kind in ("photodiode", "trigger")]
    if profile.onset_edges is not None and channel in (None, profile.onset_edges.channel):
        return profile.onset_edges
    if channel is None and len(sensors) == 1:
        return OnsetEdges(channel=sensors[0])
    if channel is None:
        there = f"has {len(sensors)}: {', '.join(sensors)}" if sensors else f"lists none. Its channels: {', '.join(profile.channel_names)}"
        raise LatencyError(f"Which channel is the photodiode? Profile {profile.name} {there}. Name it with --channel.")
    if channel not in profile.channel_names:
        raise LatencyError(f"The recording has no channel '{channel}'. Its channels: {', '.join(profile.channel_names)}. Name one of them with --channel.")
    return OnsetEdges(channel=channel)


def _walk(log: Iterable[Record], profile: HardwareProfile, edges: OnsetEdges) -> tuple[list[Edge], list[float], tuple[list[int], list[float]]]:
    """Edges, frame times, and the chunks' first samples with their times."""
    column = profile.channel_names.index(edges.channel)
    detector = EdgeDetector(profile.sampling_rate_hz, edges, "trigger" if profile.channels[column].kind == "trigger" else "photodiode")
    found: list[Edge] = []
    frames: list[float] = []
    firsts: list[int] = []
    times_lsl_s: list[float] = []
    for record in log:
        if isinstance(record, Chunk):
            found += detector.receive(record.sample_index, record.samples[:, column])
            firsts.append(record.sample_index)
            times_lsl_s.append(record.time_lsl_s)
        elif isinstance(record, Event) and record.type is EventType.UNIT and record.onset is not None:
            frame = frame_time(record.onset)
            if frame is not None:
                frames.append(frame)
    return found + detector.flush(), sorted(frames), (firsts, times_lsl_s)


def frame_time(onset: Onset) -> float | None:
    """Host LSL time of the frame that the page reported, whatever the onset is now; None where the page reported none."""
    if onset.page_ms is None or onset.page_to_server is None or onset.server_to_host is None:
        return None
    return onset.page_ms / 1e3 + onset.page_to_server.offset_s + onset.server_to_host.offset_s


def _edge_times(edges: list[Edge], chunks: tuple[list[int], list[float]], rate_hz: float) -> list[float]:
    firsts, times_lsl_s = chunks
    found = []
    for edge in edges:
        k = max(0, bisect.bisect_right(firsts, edge.position) - 1)
        found.append(times_lsl_s[k] + (edge.position - firsts[k]) / rate_hz)
    return found


def match_frames(frames_s: list[float], edges_s: list[float], edges: OnsetEdges) -> NDArray[np.float64]:
    """Give every frame the first edge in its window that is before the next frame's window; returns edge minus frame, seconds."""
    found = []
    for frame, following in zip(frames_s, [*frames_s[1:], math.inf], strict=True):
        begin, end = frame + edges.earliest_ms / 1e3, min(frame + edges.latest_ms / 1e3, following + edges.earliest_ms / 1e3)
        k = bisect.bisect_left(edges_s, begin)
        if k < len(edges_s) and edges_s[k] <= end:
            found.append(edges_s[k] - frame)
    return np.array(found)


def _judge(result: DisplayLatency, path: Path) -> None:
    n = len(result.latency_ms)
    if n < FEWEST_EDGES:
        raise LatencyError(
            f"Recording {path.name} has {n} units with an edge on channel {result.channel}, of {result.n_units} units after its first {SETTLED_S} s; "
            f"at least {FEWEST_EDGES} are needed. Check the sensor on the screen and onset_edges in the profile, and show {ENOUGH_EDGES} units or more."
        )
    modes = two_modes(result.latency_ms, result.sampling_sd_ms)
    if modes is not None:
        raise LatencyError(
            f"Recording {path.name} has two display latencies instead of one: {modes[0]:.1f} ms and {modes[1]:.1f} ms ({100 * modes[2]:.0f} % of {n} units). "
            "Frames are dropped or the screen is not in step with the page: run the browser full screen, without variable refresh rate, and measure again."
        )


def two_modes(latency_ms: NDArray[np.float64], sampling_sd_ms: float) -> tuple[float, float, float] | None:
    """Tell whether a sample has two modes: (lower, upper, share of the upper); None when it has one.

    The best split is the one of the least squares within its two parts; both parts hold at least `SMALLEST_MODE` of the values. With means m1, m2 and
    deviations s1, s2, sampling added to each, D = |m1 - m2| sqrt(2) / sqrt(s1^2 + s2^2) must exceed `BIMODAL_D`.
    """
    x = np.sort(latency_ms)
    least = max(2, math.ceil(SMALLEST_MODE * len(x)))
    splits = range(least, len(x) - least + 1)
    if not splits:
        return None
    k = min(splits, key=lambda k: float(x[:k].var() * k + x[k:].var() * (len(x) - k)))
    low, high = x[:k], x[k:]
    apart = float(high.mean() - low.mean())
    d = apart * math.sqrt(2) / math.sqrt(float(low.var() + high.var()) + 2 * sampling_sd_ms**2)
    return (float(low.mean()), float(high.mean()), len(high) / len(x)) if d > BIMODAL_D else None
