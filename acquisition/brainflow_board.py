"""Any board that BrainFlow drives."""

import asyncio
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardChunk, BoardError, BoardOutput
from hardware_profiles import HardwareProfile
from messaging.clocks import Clock, RealClock
from messaging.records import UnitShown
from messaging.words import Source

POLL_S = 0.004
SILENT_S = 1.0


class PacketCounter:
    """Turns wrapping packet numbers into sample numbers that jump where packets were lost.

    Parameters
    ----------
    modulus : int or None
        Packets are numbered 0 ... modulus - 1; None: not numbered.
    sampling_rate_hz : float
    """

    def __init__(self, modulus: int | None, sampling_rate_hz: float) -> None:
        self._modulus = modulus
        self._rate_hz = sampling_rate_hz
        self._last: tuple[int, float] | None = None
        self.next_index = 0

    def advance(self, counters: NDArray[np.float64], stamps_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the sample number of each packet.

        Parameters
        ----------
        counters : (n_samples,)
            Packet numbers as the board sent them.
        stamps_s : (n_samples,)
            Host stamps; they tell how often the counter wrapped in a long gap.
        """
        index = np.empty(len(counters), dtype=np.int64)
        for k, (counter, stamp) in enumerate(zip(counters.astype(int), stamps_s, strict=True)):
            step = 1
            if self._last is not None and self._modulus is not None:
                step = (counter - self._last[0]) % self._modulus or self._modulus
                elapsed = (stamp - self._last[1]) * self._rate_hz
                step += self._modulus * max(0, round((elapsed - step) / self._modulus))
            elif self._last is not None and (stamp - self._last[1]) > SILENT_S:
                step = max(1, round((stamp - self._last[1]) * self._rate_hz))
            self.next_index += step if self._last is not None else 1
            self._last = (counter, stamp)
            index[k] = self.next_index - 1
        return index

    def resume(self, next_index: int) -> None:
        """Go on counting at a number, after the driver was opened again."""
        self.next_index = next_index
        self._last = None


class BrainFlowBoard:
    """A BrainFlow board by profile.

    Parameters
    ----------
    profile : HardwareProfile
        With ``driver.kind = "brainflow"``.

    Raises
    ------
    BoardError
        The board does not fit the profile, or cannot be opened.
    """

    source = Source.LIVE

    def __init__(self, profile: HardwareProfile) -> None:
        from brainflow.board_shim import BoardIds, BoardShim, BrainFlowInputParams

        self.profile = profile
        self.clock: Clock = RealClock()
        driver = profile.driver
        params = BrainFlowInputParams()
        for name in ("serial_port", "mac_address", "ip_address", "ip_port", "serial_number"):
            if getattr(driver, name) is not None:
                setattr(params, name, getattr(driver, name))
        if driver.timeout_s is not None:
            params.timeout = driver.timeout_s
        BoardShim.disable_board_logger()
        assert driver.board_id is not None
        try:
            described = BoardShim.get_board_descr(driver.board_id)
        except Exception as error:
            raise BoardError(f"Profile {profile.name}: BrainFlow knows no board {driver.board_id}. Correct driver.board_id.") from error
        self._shim_class, self._params = BoardShim, params
        self._rows = described["eeg_channels"]
        self._counter_row, self._stamp_row = described["package_num_channel"], described["timestamp_channel"]
        rate = float(described["sampling_rate"])
        if len(profile.channels) > len(self._rows):
            raise BoardError(f"Profile {profile.name} lists {len(profile.channels)} channels, board {driver.board_id} has {len(self._rows)}. Correct channels.")
        if rate != profile.sampling_rate_hz:
            raise BoardError(f"Profile {profile.name}: sampling_rate_hz is {profile.sampling_rate_hz:g}, the board gives {rate:g}. Correct the profile.")
        if driver.board_id == BoardIds.SYNTHETIC_BOARD.value:
            self.source = Source.SIMULATED
        self._shim: Any = None
        self._packets = PacketCounter(driver.counter_modulus, rate)
        self._heard_s = 0.0

    async def start(self, from_index: int) -> None:
        """Open the board and stream."""
        self._packets.resume(from_index)
        await asyncio.to_thread(self._open)
        self._heard_s = time.monotonic()

    def _open(self) -> None:
        self._close()
        try:
            self._shim = self._shim_class(self.profile.driver.board_id, self._params)
            self._shim.prepare_session()
            self._shim.start_stream(45000)
        except Exception as error:
            self._close()
            sentence = f"Board {self.profile.title} cannot be opened: {error}."
            raise BoardError(f"{sentence} Check that it is on, connected, and that the port in the profile is right.") from error

    def _close(self) -> None:
        shim, self._shim = self._shim, None  # a rebound BoardShim would release the new session in __del__
        if shim is not None and shim.is_prepared():
            shim.release_session()

    async def read(self) -> BoardOutput:
        """Wait for samples, at most a second."""
        deadline = time.monotonic() + SILENT_S
        while True:
            try:
                raw = self._shim.get_board_data()
            except Exception as error:
                raise BoardError(f"Board {self.profile.title} stopped: {error}.") from error
            if raw.shape[1]:
                return BoardOutput(chunks=self._chunks(raw))
            if time.monotonic() > deadline:
                return BoardOutput()
            await asyncio.sleep(POLL_S)

    def _chunks(self, raw: NDArray[np.float64]) -> tuple[BoardChunk, ...]:
        unix_to_lsl = self.clock.now_lsl_s() - time.time()
        stamps = raw[self._stamp_row] + unix_to_lsl
        index = self._packets.advance(raw[self._counter_row], stamps)
        rows = self._rows[: len(self.profile.channels)]
        samples = np.ascontiguousarray(raw[rows].T * self.profile.driver.scale_to_uv, dtype=np.float32)
        cuts = np.flatnonzero(np.diff(index) != 1) + 1
        starts, ends = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(index)]))
        return tuple(
            BoardChunk(first_index=int(index[a]), samples=samples[a:b], host_stamp_lsl_s=float(stamps[b - 1])) for a, b in zip(starts, ends, strict=True)
        )

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None:
        """Nothing: a person looks at the screen."""

    async def stop(self) -> None:
        """Stop and release the board."""
        await asyncio.to_thread(self._close)
