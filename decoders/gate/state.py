"""Did the person's state answer? Alpha, blinks, time on task; and whether the decoder holds from the first to the last third."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from decoders.calibration import run_segments
from decoders.fitted import GateLine
from decoders.gate.coarse import Judged, plain
from decoders.gate.increment import increment_of
from decoders.gate.lines import FurtherLimits, Line, not_assessable, passed_or_failed
from decoders.gate.ocular import ocular_channels
from decoders.metrics import area_under_curve, auc_interval

_ALPHA_HZ = (8.0, 12.0)
_POSTERIOR = ("oz", "o1", "o2", "poz", "po7", "po8", "po3", "po4", "pz", "p3", "p4", "p7", "p8")
_BEFORE_S = 1.0
_BLINK_UV = 75.0
"""At an electrode next to the eye, after a band-pass of 0.5 to 10 Hz; blinks have 100 and more."""
_BLINK_WINDOW_S = 30.0
_REFRACTORY_S = 0.3
_MIN_PER_THIRD = 5


def state_line(judged: Judged, limits: FurtherLimits) -> GateLine:
    """Fail where llr adds nothing to the state, or where the decoder is gone in a third of the session.

    Notes
    -----
    Thirds: the AUCs differ (two-sided z of DeLong's variances) and the worse one's lower bound is not above one half. Reaction times
    are not part of a calibration recording and not in it.
    """
    thirds = _thirds(judged)
    if thirds is None:
        return not_assessable(Line.STATE, f"State: a third of the session has fewer than {_MIN_PER_THIRD} usable trials of a class.")
    (first, first_low, first_high), (last, last_low, last_high) = thirds
    spread = np.hypot(first_high - first_low, last_high - last_low) / (2 * stats.norm.ppf(0.975))
    p_thirds = float(2 * stats.norm.sf(abs(first - last) / max(float(spread), 1e-12)))
    lost = p_thirds < limits.thirds_p and (first_low if first < last else last_low) <= 0.5
    columns, names = _covariates(judged)
    groups = run_segments(judged.trials.block)
    found = increment_of(judged.llr, judged.trials.positive, columns, groups)
    sentence = (
        f"AUC {first:.2f} in the first third and {last:.2f} in the last (difference p = {p_thirds:.2g}); {', '.join(names)} alone reach AUC"
        f" {found.covariates_auc:.2f}, llr adds to them with p = {found.p:.2g} (needs less than {limits.increment_p:g}). Not compared: reaction time"
        f"{'' if 'blink rate' in names else ' and blink rate (no ocular channel)'}."
    )
    return GateLine(Line.STATE, passed_or_failed(found.p < limits.increment_p and not lost), found.p, limits.increment_p, sentence)


def _thirds(judged: Judged) -> list[tuple[float, float, float]] | None:
    """AUC with its interval in the first and in the last third of the trials."""
    n = len(judged.llr)
    results = []
    for part in (slice(0, n // 3), slice(n - n // 3, n)):
        llr, positive = judged.llr[part], judged.trials.positive[part]
        if min(positive.sum(), (~positive).sum()) < _MIN_PER_THIRD:
            return None
        results.append((area_under_curve(llr, positive), *auc_interval(llr, positive)))
    return results


def _covariates(judged: Judged) -> tuple[NDArray[np.float64], list[str]]:
    eyes = ocular_channels(judged.channel_names)
    columns, names = [alpha_power(judged), _time_on_task(judged)], ["alpha power", "time on task"]
    if eyes:
        columns.append(blink_rate(judged, eyes))
        names.append("blink rate")
    return np.column_stack(columns), names


def _time_on_task(judged: Judged) -> NDArray[np.float64]:
    return judged.onsets / judged.spec.preprocessing.sampling_rate_hz


def alpha_power(judged: Judged) -> NDArray[np.float64]:
    """Log power (n_trials,) at 8 to 12 Hz over posterior electrodes in the second before each onset; the mean where there is none."""
    rate_hz = judged.spec.preprocessing.sampling_rate_hz
    posterior = tuple(name for name in judged.channel_names if name.lower() in _POSTERIOR) or judged.spec.preprocessing.channel_names
    preprocessing = plain(judged, tuple(name for name in posterior if name in judged.channel_names), *_ALPHA_HZ)
    n = round(_BEFORE_S * rate_hz)
    power = np.full(len(judged.onsets), np.nan)
    for i, (onset, recording) in enumerate(zip(judged.onsets, judged.trials.recording, strict=True)):
        filtered = judged.store.filtered(int(recording), preprocessing)
        if filtered.holds(int(onset) - n, int(onset)):
            rows, _ = filtered.read(int(onset) - n, int(onset))
            power[i] = np.log(rows.var(axis=0) + 1e-6).mean()
    return np.where(np.isfinite(power), power, np.nanmean(power) if np.isfinite(power).any() else 0.0)


def blink_rate(judged: Judged, eyes: tuple[str, ...]) -> NDArray[np.float64]:
    """Blinks per second (n_trials,) over the half minute before each onset."""
    rate_hz = judged.spec.preprocessing.sampling_rate_hz
    preprocessing = plain(judged, eyes, 0.5, 10.0)
    rates = np.zeros(len(judged.onsets))
    for recording in np.unique(judged.trials.recording):
        filtered = judged.store.filtered(int(recording), preprocessing)
        blinks = filtered.first_index + _blinks(np.abs(filtered.rows).max(axis=1), round(_REFRACTORY_S * rate_hz))
        mine = judged.trials.recording == recording
        onsets = judged.onsets[mine]
        counts = np.searchsorted(blinks, onsets) - np.searchsorted(blinks, onsets - round(_BLINK_WINDOW_S * rate_hz))
        seconds = np.minimum(_BLINK_WINDOW_S, (onsets - filtered.first_index) / rate_hz)
        rates[mine] = counts / np.maximum(seconds, 1.0)
    return rates


def _blinks(amplitude: NDArray[np.float64], refractory: int) -> NDArray[np.int64]:
    """Rows where the amplitude rises over the limit, not sooner than `refractory` after the blink before."""
    above = amplitude > _BLINK_UV
    rising = np.flatnonzero(above[1:] & ~above[:-1]) + 1
    kept: list[int] = []
    for row in rising.tolist():
        if not kept or row - kept[-1] >= refractory:
            kept.append(row)
    return np.array(kept, dtype=np.int64)
