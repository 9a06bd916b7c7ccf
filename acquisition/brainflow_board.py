"""Any board that BrainFlow drives."""

import asyncio
import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardChunk, BoardError, BoardOutput
from acquisition.brainflow_rows import CYTON_BOARDS, PLAYBACK_BOARD, STREAMING_BOARD, SYNTHETIC_BOARD, described_board, playable_lines, rows_of
from acquisition.impedance import lead_off_command, ordinary_command
from acquisition.packet_counter import PacketCounter, numbering_of
from acquisition.serial_line import Answer, SerialLine
from hardware_profiles import HardwareProfile
from messaging.clocks import Clock, RealClock
from messaging.records import UnitShown
from messaging.words import Source

POLL_S = 0.004
SILENCE_S = 0.9
"""How long `read` waits; what is silent is known within a second of its last sample."""
HOLD_S = 0.15
"""Samples whose place the next ones would tell are given after this time without any."""
RING_SAMPLES = 45_000
"""What BrainFlow keeps while nobody reads; what it drops beyond shows as a gap, by the packet numbers and the stamps."""
SERIAL_BOARDS = (0, 2)
"""Cyton and Cyton with Daisy on their dongle: the boards whose port can be asked."""
FIRST_ANSWER_S, NEXT_ANSWER_S = 2.0, 0.3
"""How long a Cyton is waited for: at first, and at least when it is known how fast it answers."""
FOREIGN_CLOCK_S = 2.0
"""A stream whose newest stamp is further off than this comes from another machine's clock: arrival is taken instead."""
ABSURD = 1e9
"""No amplifier gives such a value; in the recording it is not a number."""


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

    Notes
    -----
    A serial port that has gone is named at once; any other fault of a board is silence, since BrainFlow never reports one.
    """

    source = Source.LIVE

    def __init__(self, profile: HardwareProfile) -> None:
        from brainflow.board_shim import BoardShim, BrainFlowInputParams

        self.profile = profile
        self.clock: Clock = RealClock()
        driver = profile.driver
        board_id = described_board(profile)
        params = BrainFlowInputParams()
        for name in ("serial_port", "mac_address", "ip_address", "ip_port", "serial_number", "file"):
            if getattr(driver, name) is not None:
                setattr(params, name, getattr(driver, name))
        if driver.timeout_s is not None:
            params.timeout = driver.timeout_s
        if driver.master_board_id is not None:
            params.master_board = driver.master_board_id
        BoardShim.disable_board_logger()
        try:
            described = BoardShim.get_board_descr(board_id)
        except Exception as error:
            raise BoardError(f"Profile {profile.name}: BrainFlow knows no board {board_id}. Correct driver.board_id.") from error
        self._rows = rows_of(profile, described, board_id)
        self._shim_class, self._params, self._board_id = BoardShim, params, board_id
        if driver.board_id in (SYNTHETIC_BOARD, PLAYBACK_BOARD) or board_id == SYNTHETIC_BOARD:
            self.source = Source.SIMULATED  # nobody sits there; a replay with its events and exact times is `rlhb replay`
        self._shim: Any = None
        self._line: SerialLine | None = None
        self._opening = threading.Lock()
        self._packets = PacketCounter(numbering_of(board_id, driver.counter_modulus), self._rows.sampling_rate_hz)
        self._undecided: NDArray[np.float64] | None = None
        self._lead_off: str | None = None
        self._opened_before = False
        self._resumed: tuple[int, float] | None = None
        self._answer_s = FIRST_ANSWER_S
        self._left_to_play: int | None = None

    @property
    def refused_packets(self) -> int:
        """Packets that were no samples of the stream (doubled, late, or garbage that looked like one), since the start."""
        return self._packets.refused

    # ------------------------------------------------------------ opening and closing

    async def start(self, from_index: int) -> None:
        """Open the board and stream; opened again, the time it takes to open is added to `from_index`, the number of now.

        Raises
        ------
        BoardError
            The board cannot be opened; the message says what is missing.
        """
        began_lsl_s = self.clock.now_lsl_s()
        await asyncio.to_thread(self._open)
        self._packets.resume(from_index)
        self._resumed = (from_index, began_lsl_s) if self._opened_before else None
        self._opened_before, self._undecided = True, None

    def _open(self) -> None:
        with self._opening:
            self._release()
            if self.profile.driver.serial_port is not None and self.profile.driver.board_id in SERIAL_BOARDS:
                self._ask(self.profile.driver.serial_port)
            try:
                self._start_driver()
            except Exception as error:
                self._release()
                sentence = f"Board {self.profile.title} cannot be opened: {error}."
                raise BoardError(f"{sentence} Check that it is on, connected, and that the port in the profile is right.") from error

    def _start_driver(self) -> None:
        if self._line is not None:
            self._line.hasten()
        self._shim = self._shim_class(self.profile.driver.board_id, self._params)
        self._shim.prepare_session()
        if self._rows.mode_command is not None:
            self._shim.config_board(self._rows.mode_command)
        if self.profile.driver.board_id == PLAYBACK_BOARD:
            self._left_to_play = playable_lines(Path(self._params.file), self._rows.n_rows)
        self._shim.start_stream(RING_SAMPLES)
        if self._line is not None:
            self._line.opened()

    def _ask(self, port: str) -> None:
        """Name what is wrong with a Cyton before BrainFlow waits for it."""
        line = SerialLine(port)
        answer = line.ask(self._answer_s)
        if answer is Answer.BOARD:
            self._answer_s = max(NEXT_ANSWER_S, 2 * line.answered_s)
        if answer in (Answer.BOARD, Answer.UNKNOWN):
            self._line = line
            return
        line.close()
        what = {
            Answer.GONE: f"the serial port {port} is not there. Plug in the dongle, or correct the port in the profile.",
            Answer.CLOSED: f"the serial port {port} may not be used. `rlhb doctor` says how to get the permission.",
            Answer.MUTE: f"nothing answers on the port {port}. Check the board's switch, battery and the port in the profile.",
            Answer.DONGLE_ONLY: f"the dongle on {port} answers, the board does not. Switch it on (PC), charge it, or bring it nearer.",
        }[answer]
        raise BoardError(f"Board {self.profile.title} cannot be opened: {what}")

    def _release(self) -> None:
        shim, self._shim = self._shim, None  # a rebound BoardShim would release the new session in __del__
        line, self._line = self._line, None
        if shim is not None:
            with contextlib.suppress(Exception):  # the port may have gone; the next opening resets the board anyway
                if self._lead_off is not None:
                    shim.config_board(ordinary_command(self._rows.eeg[self._lead_off]))
            with contextlib.suppress(Exception):
                if shim.is_prepared():
                    shim.release_session()
        self._lead_off = None  # given back above, or by the reset of the next opening
        if line is not None:
            line.close()

    async def stop(self) -> None:
        """Stop and release the board."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._opening:
            self._release()

    # ------------------------------------------------------------ samples

    async def read(self) -> BoardOutput:
        """Wait for samples, at most a second.

        Raises
        ------
        BoardError
            The serial port has gone, or the driver reports a fault.
        """
        began = heard = time.monotonic()
        while True:
            raw = self._fetch()
            now = time.monotonic()
            if raw.shape[1]:
                heard = now
                chunks = self._chunks(raw)
                if chunks:
                    return BoardOutput(chunks=chunks)
            elif self._line is not None and self._line.gone():
                raise BoardError(f"Board {self.profile.title} has gone: its serial port {self._line.path} was unplugged. Plug the dongle in again.")
            if self._left_to_play == 0:
                return BoardOutput(ended=True)
            if now - heard > HOLD_S and self._undecided is not None:
                return BoardOutput(chunks=self._flush())
            if now - began > SILENCE_S and self._left_to_play is None:  # a file may pause; its end is known
                return BoardOutput()
            await asyncio.sleep(POLL_S)

    def _fetch(self) -> NDArray[np.float64]:
        """(n_rows, n_samples) as the driver has them since the last time."""
        try:
            raw: NDArray[np.float64] = self._shim.get_board_data()
        except Exception as error:
            raise BoardError(f"Board {self.profile.title} stopped: {error}. It is opened again.") from error
        if self._left_to_play is not None:
            self._left_to_play = max(0, self._left_to_play - raw.shape[1])
        if raw.shape[1]:
            now_unix_s = time.time()
            to_lsl_s = self.clock.now_lsl_s() - now_unix_s
            stamps = raw[self._rows.stamp]
            if self.profile.driver.board_id == STREAMING_BOARD and not abs(stamps[-1] - now_unix_s) < FOREIGN_CLOCK_S:
                stamps += now_unix_s - stamps[-1]
            stamps += to_lsl_s
        return raw

    def _flush(self) -> tuple[BoardChunk, ...]:
        """Samples that were held back, when nothing comes that could decide where they belong."""
        return self._cut(self._undecided, final=True) if self._undecided is not None else ()

    def _chunks(self, raw: NDArray[np.float64]) -> tuple[BoardChunk, ...]:
        if self._resumed is not None:
            index, began_lsl_s = self._resumed
            self._packets.resume(index + max(0, round((raw[self._rows.stamp, 0] - began_lsl_s) * self._rows.sampling_rate_hz)))
            self._resumed = None
        if self._undecided is not None:
            raw = np.concatenate((self._undecided, raw), axis=1)
        return self._cut(raw, final=self._left_to_play == 0)

    def _cut(self, raw: NDArray[np.float64], final: bool) -> tuple[BoardChunk, ...]:
        """Number the samples and cut them where some are missing."""
        placed = self._packets.advance(raw[self._rows.counter], raw[self._rows.stamp], final)
        self._undecided = raw[:, raw.shape[1] - placed.undecided :].copy() if placed.undecided else None
        kept = np.flatnonzero(placed.index >= 0)
        if not len(kept):
            return ()
        index, stamps = placed.index[kept], raw[self._rows.stamp, kept]
        values = raw[np.ix_(self._rows.channels, kept)].T * self._rows.scale
        values[~(np.abs(values) < ABSURD)] = np.nan
        samples = np.ascontiguousarray(values, dtype=np.float32)
        cuts = np.flatnonzero(np.diff(index) != 1) + 1
        starts, ends = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(index)]))
        return tuple(
            BoardChunk(first_index=int(index[a]), samples=samples[a:b], host_stamp_lsl_s=float(stamps[b - 1])) for a, b in zip(starts, ends, strict=True)
        )

    def perceive(self, presentation: str, unit: UnitShown, onset_lsl_s: float) -> None:
        """Nothing: a person looks at the screen."""

    # ------------------------------------------------------------ impedance

    async def impedance_start(self, channel: str) -> None:
        """Send the test current through one channel's electrode; the channel that carried it before gets its settings back.

        Raises
        ------
        BoardError
            The board measures no impedance, has no such EEG channel, is not open, or has gone.
        """
        driver = self.profile.driver
        if driver.impedance is None or self._board_id not in CYTON_BOARDS or driver.board_id != self._board_id:
            raise BoardError(f"Board {self.profile.title} offers no measurement of electrode impedance. Check the electrodes by the signal quality.")
        if channel not in self._rows.eeg:
            raise BoardError(f"Board {self.profile.title} has no electrode channel '{channel}'. It has {', '.join(self._rows.eeg)}.")
        await self.impedance_stop()
        self._lead_off = channel  # from here on the settings are given back, also when the command below fails
        await self._command(lead_off_command(self._rows.eeg[channel]))

    async def impedance_stop(self) -> None:
        """End the test current and give the channel its settings back; harmless when none flows.

        Raises
        ------
        BoardError
            The board has gone; it loses the test current when it is opened again.
        """
        channel = self._lead_off
        if channel is not None:
            await self._command(ordinary_command(self._rows.eeg[channel]))
            self._lead_off = None

    async def _command(self, text: str) -> None:
        """Send a command while samples stream: then nobody waits for an answer among them."""
        shim = self._shim
        if shim is None:
            raise BoardError(f"Board {self.profile.title} is not open. Wait until it streams.")
        try:
            await asyncio.to_thread(shim.config_board, text)
        except Exception as error:
            raise BoardError(f"Board {self.profile.title} did not take the command {text}: {error}. It is set back when it is opened again.") from error
