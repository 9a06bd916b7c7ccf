"""Alarms of a running decoder. They hold rewards until an operator decides; they advance in the order of decoding only."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

from decoders.running import Decoded


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """Thresholds of the online alarms."""

    max_rejected: float = 0.2
    """Fraction of the last `n_windows` windows."""
    n_windows: int = 50
    label_rate: tuple[float, float] = (0.2, 5.0)
    """Times the prior: range of the mean p_error of the last `n_values` units."""
    n_values: int = 100
    max_loss: float = 0.01
    """Fraction of samples missing over the stream's loss history (60 s)."""
    max_onset_sd_ms: float = 15.0
    """A unit whose onset is known less well is held by itself; this raises no alarm."""


class Alarms:
    """Watch rejected windows, label rate and sample loss of one session.

    Notes
    -----
    The label rate is the mean of p_error, not the count of p_error > 1/2: for a calibrated decoder the mean equals the rate of errors
    however weak the decoder is, while a weak one hardly ever passes 1/2.
    """

    def __init__(self, limits: AlarmLimits | None = None) -> None:
        self.limits = limits or AlarmLimits()
        self.raised: str | None = None
        """The alarm that holds rewards, in one sentence; None for none."""
        self._rejected: deque[bool] = deque(maxlen=self.limits.n_windows)
        self._p_errors: deque[float] = deque(maxlen=self.limits.n_values)
        self._missing = 0
        self._forgiven = 0

    def take(self, decoded: Decoded, prior: float, n_history: int) -> None:
        """Take note of a window that was looked at; may raise an alarm, which then also holds this unit.

        Parameters
        ----------
        decoded : Decoded
            Windows without `loss` were not looked at and count for nothing.
        prior : float
            The protocol's prior.
        n_history : int
            Samples over which `decoded.loss.recent` counts.
        """
        if decoded.loss is None:
            return
        self._rejected.append(decoded.valuation is None)
        self._missing = decoded.loss.total
        if decoded.valuation is not None:
            self._p_errors.append(decoded.valuation.p_error)
        if self.raised is None:
            self.raised = self._too_many_rejected() or self._too_many_lost(decoded.loss.recent, n_history) or self._odd_rate(prior)

    def release(self) -> None:
        """Start anew after an operator's decision: what was counted so far is forgiven."""
        self.raised = None
        self._rejected.clear()
        self._p_errors.clear()
        self._forgiven = self._missing

    def change_decoder(self, *, same_stream: bool) -> None:
        """Forget what was counted of the decoder before; a raised alarm stays until an operator decides."""
        self._rejected.clear()
        self._p_errors.clear()
        if not same_stream:
            self._missing = self._forgiven = 0

    def _too_many_rejected(self) -> str | None:
        n_rejected, limit = sum(self._rejected), self.limits.max_rejected * self.limits.n_windows
        if n_rejected <= limit:
            return None
        return f"{n_rejected} of the last {len(self._rejected)} windows rejected (limit {limit:g} of {self.limits.n_windows}); check the electrodes"

    def _too_many_lost(self, recent: int, n_history: int) -> str | None:
        n_lost = min(recent, self._missing - self._forgiven)
        if n_lost <= self.limits.max_loss * n_history:
            return None
        return f"{n_lost} of the last {n_history} samples lost (limit {self.limits.max_loss:.0%}); check the board's connection"

    def _odd_rate(self, prior: float) -> str | None:
        if len(self._p_errors) < self.limits.n_values:
            return None
        # fsum is exact, so the mean does not depend on how the values came into the queue.
        rate = math.fsum(self._p_errors) / len(self._p_errors)
        low, high = (factor * prior for factor in self.limits.label_rate)
        if low <= rate <= high:
            return None
        return f"mean p_error of the last {len(self._p_errors)} units is {rate:.3f}, outside {low:.3f}-{high:.3f}; check the decoder"

    def state(self) -> dict[str, Any]:
        """Everything that later alarms depend on, as JSON values."""
        return {
            "raised": self.raised,
            "rejected": list(self._rejected),
            "p_errors": list(self._p_errors),
            "missing": self._missing,
            "forgiven": self._forgiven,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self.raised = state["raised"]
        self._rejected.extend(state["rejected"])
        self._p_errors.extend(state["p_errors"])
        self._missing, self._forgiven = state["missing"], state["forgiven"]
