"""A profile proved against a live board: what is measured in ten seconds, and what each figure says."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from acquisition.board import Board, BoardError
from acquisition.quality import QualityWindow, StreamWatch
from acquisition.quality.recording import IMPOSSIBLE_RMS_UV, IMPOSSIBLY_SMALL_RMS_UV
from acquisition.quality.stream import Line
from hardware_profiles import HardwareProfile
from hardware_profiles.profile import QualityLimits
from messaging.lab import ChannelQuality
from rlhb.errors import CommandError

RATE_TOLERANCE = 0.005
SETTLES_S = 1.0
"""What a driver had in store when it was opened comes at once and says nothing about rate or jitter."""
LIKELY_RMS_UV = (0.5, 200.0)
LEAST_SECONDS = 4


class Verdict(StrEnum):
    """What a finding says."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check."""

    what: str
    verdict: Verdict
    sentence: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What was measured."""

    received: int
    seconds: float
    longest_silence_s: float
    loss_fraction: float
    jitter_ms: float | None
    line: Line | None
    verdicts: tuple[tuple[ChannelQuality, ...], ...]
    """One tuple for each second."""
    remarks: tuple[str, ...] = ()


def open_board(profile: HardwareProfile) -> Board:
    """Make the board of a profile; it is opened by its `start`.

    Raises
    ------
    CommandError
        The profile names no live board.
    BoardError
        The profile does not fit the driver.
    """
    match profile.driver.kind:
        case "brainflow":
            from acquisition.brainflow_board import BrainFlowBoard

            return BrainFlowBoard(profile)
        case "lsl":
            from acquisition.lsl_board import LslBoard

            return LslBoard(profile)
        case "simulated_subject":
            from acquisition.simulated_board import SimulatedSubjectBoard
            from acquisition.simulated_subject import SimulatedSubject, load_subject_key

            return SimulatedSubjectBoard(profile, SimulatedSubject(profile, load_subject_key([]), 1, 2, 1.0))
        case _:
            raise CommandError(f"Profile {profile.name} is a recording, not a live board: use `rlhb replay RECORDING`.")


async def measure_live(board: Board, seconds: float, tell: Callable[[float], None]) -> LiveFigures:
    """Open a board, read it for some seconds, let go of it.

    Parameters
    ----------
    board : Board
    seconds : float
        After the first one, in which a driver settles.
    tell : callable
        Gets the seconds that are over.

    Raises
    ------
    BoardError
        It cannot be opened, or stopped on the way.
    """
    watch, window = StreamWatch(board.profile), QualityWindow(board.profile)
    verdicts, received, silence_s = [], 0, 0.0
    try:
        await board.start(0)
        began = heard = time.monotonic()
        while (now := time.monotonic()) < began + SETTLES_S + seconds:
            output = await board.read()
            tell(min(seconds, max(0.0, now - began - SETTLES_S)))
            if now < began + SETTLES_S:
                heard = time.monotonic()
                continue
            silence_s = max(silence_s, time.monotonic() - heard)
            if output.chunks:
                heard = time.monotonic()
            for chunk in output.chunks:
                received += len(chunk.samples)
                watch.add(chunk)
                verdict = window.add(chunk.samples, chunk.first_index)
                if verdict is not None:
                    verdicts.append(verdict)
    finally:
        await board.stop()
    remarks = tuple(getattr(board, "remarks", ()))
    line = watch.drift(least_s=3)
    return LiveFigures(received, seconds, silence_s, watch.loss_fraction(), watch.jitter_ms(), line, tuple(verdicts), remarks)


def judge_live(profile: HardwareProfile, found: LiveFigures) -> tuple[Finding, ...]:
    """Say of each figure whether it is as the profile has it."""
    if found.received == 0 or found.line is None:
        few = f"{found.received} samples came in {found.seconds:g} s"
        return (Finding("samples", Verdict.FAIL, f"{few}: check power, battery, electrodes' cable and connection.", found.received),)
    limits = profile.quality
    return (
        _silence(found),
        _rate(profile, found.line),
        _drift(found.line, limits),
        _loss(found, limits),
        _jitter(found, limits),
        *_channels(profile, found),
        *(Finding("description", Verdict.WARN, remark) for remark in found.remarks),
    )


def _silence(found: LiveFigures) -> Finding:
    verdict = Verdict.FAIL if found.longest_silence_s > 1 else Verdict.OK
    return Finding("samples", verdict, f"{found.received} samples; the longest silence was {found.longest_silence_s * 1e3:.0f} ms.", found.received)


def _rate(profile: HardwareProfile, line: Line) -> Finding:
    rate = profile.sampling_rate_hz / (1 + line.drift_ppm * 1e-6)
    wrong = abs(rate / profile.sampling_rate_hz - 1) > RATE_TOLERANCE + 2e-6 * line.drift_sd_ppm
    sentence = f"{rate:.2f} Hz measured, {profile.sampling_rate_hz:g} Hz in the profile."
    if wrong:
        sentence += " Correct sampling_rate_hz, or the board's setting."
    return Finding("rate", Verdict.FAIL if wrong else Verdict.OK, sentence, rate)


def _drift(line: Line, limits: QualityLimits) -> Finding:
    sentence = f"{line.drift_ppm:+.0f} ± {2 * line.drift_sd_ppm:.0f} ppm against this machine's clock (limit {limits.drift_ppm:g})."
    surely = abs(line.drift_ppm) - 2 * line.drift_sd_ppm > limits.drift_ppm
    return Finding("drift", Verdict.WARN if surely else Verdict.OK, sentence, line.drift_ppm)


def _loss(found: LiveFigures, limits: QualityLimits) -> Finding:
    verdict = Verdict.FAIL if found.loss_fraction > limits.loss_fraction else Verdict.WARN if found.loss_fraction > 0 else Verdict.OK
    sentence = f"{found.loss_fraction:.2%} of the samples were lost (limit {limits.loss_fraction:.0%})."
    if verdict is not Verdict.OK:
        sentence += " Bring the receiver nearer, or away from other radios."
    return Finding("loss", verdict, sentence, found.loss_fraction)


def _jitter(found: LiveFigures, limits: QualityLimits) -> Finding:
    jitter = found.jitter_ms or 0.0
    sentence = f"{jitter:.1f} ms standard deviation of arrival (limit {limits.jitter_ms:g} ms)."
    if jitter > limits.jitter_ms:
        sentence += " Set an FTDI dongle's latency timer to 1 ms; close what else loads this machine."
    return Finding("jitter", Verdict.WARN if jitter > limits.jitter_ms else Verdict.OK, sentence, jitter)


def _channels(profile: HardwareProfile, found: LiveFigures) -> tuple[Finding, ...]:
    """Channels and units, from the verdicts of the seconds."""
    n = len(found.verdicts)
    if n == 0:
        return (Finding("channels", Verdict.FAIL, "No whole second came: channels and units were not judged."),)
    eeg = [k for k, c in enumerate(profile.channels) if c.kind == "eeg"]
    bad: Counter[int] = Counter(k for second in found.verdicts for k, v in enumerate(second) if v.bad)
    often = [k for k in bad if bad[k] > n / 2]
    why = "; ".join(f"{profile.channels[k].name}: {next(s[k].reasons[0] for s in reversed(found.verdicts) if s[k].bad)}" for k in sorted(often)[:8])
    dead = [k for k in eeg if sum(s[k].flat or s[k].railed or s[k].missing > 0.5 for s in found.verdicts) > n / 2]
    count = f"{len(profile.channels)} channels ({len(eeg)} EEG)"
    if not often:
        channels = Finding("channels", Verdict.OK, f"{count} came, none of them is bad.", len(profile.channels))
    elif len(dead) == len(eeg):
        channels = Finding(
            "channels", Verdict.FAIL, f"{count} came, but no EEG channel carries a signal: {why}. Check reference, ground, cap, and driver.scale_to_uv."
        )
    else:
        channels = Finding("channels", Verdict.WARN, f"{count} came; bad for most of the time: {why}. See to these electrodes.", len(profile.channels))
    return (channels, _unit(found, [k for k in eeg if k not in dead]))


def _unit(found: LiveFigures, live: list[int]) -> Finding:
    if not live:
        return Finding("unit", Verdict.WARN, "No EEG channel carries a signal, so the unit could not be judged.")
    rms = float(np.median([[second[k].rms_uv for k in live] for second in found.verdicts]))
    text = f"RMS of {rms:.3g} microvolt (median of EEG channels)"
    if not IMPOSSIBLY_SMALL_RMS_UV <= rms <= IMPOSSIBLE_RMS_UV:
        return Finding("unit", Verdict.FAIL, f"{text}: no scalp gives that. Correct driver.scale_to_uv, or put the electrodes on a head.", rms)
    if not LIKELY_RMS_UV[0] <= rms <= LIKELY_RMS_UV[1]:
        return Finding("unit", Verdict.WARN, f"{text} is unlikely for EEG. Are all electrodes on the head?", rms)
    return Finding("unit", Verdict.OK, f"{text}, as EEG in microvolt has.", rms)


__all__ = ["BoardError", "Finding", "LiveFigures", "Verdict", "judge_live", "measure_live", "open_board"]
