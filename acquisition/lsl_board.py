"""Any EEG stream of the Lab Streaming Layer as a board."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardChunk, BoardError, BoardOutput
from acquisition.lsl_description import ChannelPlan, choose, fits, plan_channels
from acquisition.lsl_inlet import ClockSetError, Inlet, look_for, look_for_fitting
from acquisition.lsl_numbering import NumberedRun, StampNumbering
from hardware_profiles import HardwareProfile
from messaging.clocks import Clock, ClockOffset, RealClock
from messaging.records import UnitShown
from messaging.words import Source

SILENT_S = 0.8
WAIT_SLICE_S = 0.2
LOOK_SLICE_S = 0.7
"""liblsl asks by multicast at once and the machines of its `KnownPeers` half a second later: a shorter look would never hear those."""
FIRST_LOOK_S = 3.0
SECOND_ANSWER_S = 0.3
ALL_ANSWER_S = 1.0
AWAY_LOOK_S = 5.0
PACE_S = 0.004
"""Samples that come one by one are read together at this pace; at 1 kHz four at a time."""
FURTHEST_FUTURE_S = 0.5
OLDEST_S = 600.0
"""A sample is as old as a sender's buffer (six minutes) at most; an older or a future stamp is of another clock."""


class LslBoard:
    """An LSL stream by profile.

    Parameters
    ----------
    profile : HardwareProfile
        With ``driver.kind = "lsl"`` and the stream's name, type or source id.

    Notes
    -----
    Samples are numbered by the sender's own stamps (`StampNumbering`), so neither the network's delays nor corrections of the clock move
    them. The stamp given is the last sample's own, plus LSL's time correction: arrival plays no part. One thread reads; between it and the
    event loop nothing queues, so what is not fetched stays in the inlet's buffer (30 s), whose overflow is a gap like any other.

    liblsl's own recovery takes 2.0-2.7 s and says nothing; it is switched off. An outlet that closes is a `BoardError` at once; `start`
    asks for it twice a second and goes on with the number that the time of its first sample has.
    """

    source = Source.LIVE

    def __init__(self, profile: HardwareProfile) -> None:
        self.profile = profile
        self.clock: Clock = RealClock()
        self.remarks: tuple[str, ...] = ()
        """What had to be assumed of the stream, one sentence each; filled in by `start`."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lsl-board")
        self._inlet: Inlet | None = None
        self._plan: ChannelPlan | None = None
        self._numbering = StampNumbering(profile.sampling_rate_hz)
        self._rejoin_lsl_s: float | None = None
        self._known_clock: ClockOffset | None = None
        self._known_host = ""
        self._lost: BoardError | None = None
        self._heard_s = self._read_s = 0.0
        self._silent = self._stopping = False

    @property
    def clock_sd_ms(self) -> float | None:
        """Standard uncertainty of the sender's clock on ours, ms; None while not connected."""
        return None if self._inlet is None else self._inlet.correction_sd_s * 1e3

    # ------------------------------------------------------------ connecting

    async def start(self, from_index: int) -> None:
        """Find the stream and read it from now on.

        The first time sample numbers begin at `from_index` and what the sender had buffered is thrown away. After a loss they go on by
        time: the stamps tell how many samples were not received.

        Raises
        ------
        BoardError
            No stream fits, several do, it contradicts the profile, or its clock cannot be compared with ours.
        """
        self._stopping = False
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connect, from_index)

    def _connect(self, from_index: int) -> None:
        self._disconnect()
        again = self._rejoin_lsl_s is not None
        info = self._look_again() if again else self._look_first()
        inlet = Inlet(info, self.profile)
        self._plan = plan_channels(self.profile, inlet.description)
        self.remarks = self._plan.remarks
        inlet.synchronise(self._known_clock if again and self._known_host == inlet.description.host else None)
        if not again:
            inlet.flush()
            self._numbering.begin(from_index)
        self._inlet, self._lost, self._silent = inlet, None, False
        self._known_clock, self._known_host = inlet.offset, inlet.description.host
        self._heard_s = time.monotonic()

    def _look_first(self) -> Any:
        """Look for the one stream that fits; if there is not exactly one, say what there is."""
        driver = self.profile.driver
        wait_s = driver.timeout_s or FIRST_LOOK_S
        if driver.source_id is not None:
            infos = look_for_fitting(driver, SECOND_ANSWER_S, at_least=2) or look_for_fitting(driver, wait_s)
            if len(infos) == 1:
                return infos[0]
        infos, streams = look_for(min(ALL_ANSWER_S, wait_s))
        if not any(fits(driver, stream) for stream in streams) and driver.source_id is None:
            infos, streams = look_for(wait_s)
        return infos[choose(self.profile, streams)]

    def _look_again(self) -> Any:
        until_s = time.monotonic() + AWAY_LOOK_S
        while not self._stopping and time.monotonic() < until_s:
            infos = look_for_fitting(self.profile.driver, LOOK_SLICE_S)
            if infos:
                return infos[0]
        raise BoardError(f"{self.profile.title}: the LSL stream has not come back. Start it again in the amplifier's program.")

    def _disconnect(self) -> None:
        """Let go of the stream; the time of the next sample is kept in mind."""
        inlet, self._inlet = self._inlet, None
        if inlet is not None:
            if inlet.received:
                self._rejoin_lsl_s = self._numbering.stamp_of(self._numbering.next_index) + inlet.correction_s
            inlet.close()

    # ------------------------------------------------------------ reading

    async def read(self) -> BoardOutput:
        """Wait for samples; an empty output after 0.8 s (two of the sender's chunks, if longer) without any.

        Raises
        ------
        BoardError
            The outlet closed, came back as another one, or its clock jumped.
        """
        runs = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
        return BoardOutput(chunks=tuple(runs))

    def _read(self) -> list[BoardChunk]:
        if self._lost is not None:
            raise self._lost
        if self._inlet is None:
            raise BoardError(f"{self.profile.title}: the LSL stream is not connected. Start the board first.")
        time.sleep(max(0.0, self._read_s + PACE_S - time.monotonic()))
        if self._silent:
            self._look_for_successor(self._inlet)
        limit_s = max(SILENT_S, 2 * self._numbering.span_s)
        while not self._stopping:
            try:
                samples, stamps = self._inlet.pull(WAIT_SLICE_S)
            except BoardError as error:
                self._lost = error
                if isinstance(error, ClockSetError):
                    self._known_clock = None
                held = self._chunks(self._numbering.flush())
                if held:
                    return held
                raise
            now_s = time.monotonic()
            if len(stamps):
                self._heard_s = self._read_s = now_s
                self._silent = False
                runs = self._take(samples, stamps)
                if runs:
                    return self._chunks(runs)
            elif now_s - self._heard_s >= limit_s:
                self._silent = True
                self._heard_s = now_s
                return self._chunks(self._numbering.flush())
        return []

    def _take(self, samples: NDArray[np.generic], stamps: NDArray[np.float64]) -> list[NumberedRun]:
        assert self._inlet is not None
        corrected = stamps + self._inlet.correction_s
        age_s = self.clock.now_lsl_s() - float(corrected[-1])
        if np.isfinite(age_s) and not -FURTHEST_FUTURE_S <= age_s <= OLDEST_S:
            self._lost = BoardError(
                f"{self.profile.title}: the stream's stamps are {-age_s:.4g} s off the LSL clock (limits -{OLDEST_S:g} to {FURTHEST_FUTURE_S:g}). "
                "Let the sender stamp with LSL's own clock (local_clock), and start it again if its clock was set."
            )
            self._known_clock = None
            raise self._lost
        if self._rejoin_lsl_s is not None:
            samples, stamps = self._rejoin(samples, stamps, corrected)
        return self._numbering.take(samples, stamps)

    def _rejoin(
        self, samples: NDArray[np.generic], stamps: NDArray[np.float64], corrected: NDArray[np.float64]
    ) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
        """Find the number of the first sample after a loss; what was received before the loss is left out."""
        assert self._rejoin_lsl_s is not None
        rate_hz = self.profile.sampling_rate_hz
        new = ~(corrected < self._rejoin_lsl_s - 0.5 / rate_hz)
        if not new.any():
            return samples[:0], stamps[:0]
        first = int(np.argmax(new))
        away = round((float(corrected[first]) - self._rejoin_lsl_s) * rate_hz)
        self._numbering.begin(self._numbering.next_index + max(0, away))
        self._rejoin_lsl_s = None
        return samples[first:], stamps[first:]

    def _look_for_successor(self, inlet: Inlet) -> None:
        """A silent outlet may have died without a word and stand on the network again under a new identity."""
        infos = look_for_fitting(self.profile.driver, LOOK_SLICE_S)
        if infos and all(info.uid() != inlet.uid for info in infos):
            self._lost = BoardError(f"{self.profile.title}: the LSL stream fell silent and was started anew; connecting to it.")
            raise self._lost

    def _chunks(self, runs: list[NumberedRun]) -> list[BoardChunk]:
        if not runs:
            return []
        assert self._plan is not None
        assert self._inlet is not None
        plan, correction_s = self._plan, self._inlet.correction_s
        return [
            BoardChunk(
                first_index=run.first_index,
                samples=(run.samples[:, plan.columns].astype(np.float64) * plan.scale).astype(np.float32),
                host_stamp_lsl_s=run.last_stamp_s + correction_s,
            )
            for run in runs
        ]

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None:
        """Nothing: a person looks at the screen."""

    async def stop(self) -> None:
        """Disconnect."""
        self._stopping = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._stopping = False
