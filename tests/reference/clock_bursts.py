"""A board whose clock is known: true sample times, and the host stamps that bursts make of them."""

from dataclasses import dataclass, field

import numpy as np

JITTERS = {
    "uniform": lambda random, n: random.uniform(0, 0.030, n),
    "exponential": lambda random, n: random.exponential(0.030, n),
    "gaussian with floor": lambda random, n: np.maximum(0, random.normal(0.030, 0.030, n)),
}


@dataclass
class Bursts:
    """Chunks of `chunk` samples; `gaps` are lost, in a stall everything waits for its end; both in seconds of stream."""

    jitter: str = "uniform"
    drift_ppm: float = 50.0
    seconds: float = 60.0
    rate_hz: float = 250.0
    chunk: int = 8
    seed: int = 0
    start_lsl_s: float = 5e5
    gaps: list = field(default_factory=list)
    stalls: list = field(default_factory=list)

    def true(self, index):
        """When the board took a sample, on the host's clock; the board runs `drift_ppm` slow."""
        return self.start_lsl_s + index / self.rate_hz * (1 + self.drift_ppm * 1e-6)

    def stamps(self):
        """(last sample of each chunk, its host stamp)."""
        random = np.random.default_rng(self.seed)
        last = np.arange(0, int(self.seconds * self.rate_hz), self.chunk) + self.chunk - 1
        true = self.true(last)
        stamp = true + JITTERS[self.jitter](random, len(last))
        for begin, end in self.stalls:
            waiting = (last >= begin * self.rate_hz) & (last < end * self.rate_hz)
            stamp[waiting] = np.maximum(stamp[waiting], self.true(end * self.rate_hz))
        kept = np.ones(len(last), dtype=bool)
        for begin, end in self.gaps:
            kept &= ~((last >= begin * self.rate_hz) & (last < end * self.rate_hz))
        return last[kept], stamp[kept]

    def feed(self, clock, after_s=10.0, numbered=lambda index: index):
        """Let a clock observe them all; returns its errors, seconds, at each chunk's last sample from `after_s` on."""
        errors, before = [], None
        for index, stamp in zip(*self.stamps(), strict=True):
            number = int(numbered(index))
            if before is not None and index != before + self.chunk:
                clock.gap()
            before = index
            clock.observe(number, float(stamp))
            if index > after_s * self.rate_hz:
                errors.append(clock.time_at(number) - self.true(index))
        return np.array(errors)
