"""A Cyton on a pseudo-terminal, for BrainFlow's own driver, with faults that can be switched while it runs."""

import os
import pty
import random
import select
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from acquisition.emulator.cyton_protocol import PACKETS_PER_S, CytonProtocol
from acquisition.emulator.signals import Electrodes, NumberedSignal, Signal

TICK_S = 0.002
PATIENCE_S = 0.05
REPLY_S = 0.02
"""Over the radio an answer takes its time: the board asks the dongle for commands, the dongle passes on 32 bytes at a time."""


@dataclass(slots=True)
class CytonFaults:
    """What is wrong at the moment; any field may be set while the board runs."""

    drop_fraction: float = 0.0
    """Share of the packets that the radio loses."""
    drop_packets: int = 0
    """So many packets are lost from now on."""
    stalled: bool = False
    """The radio is silent both ways; the board goes on counting."""
    held: bool = False
    """Packets wait in the computer and come all at once afterwards."""
    garbage: bytes = b""
    """Bytes to send once, between two packets."""
    noise_fraction: float = 0.0
    """Share of the packets that are followed by up to 40 random bytes."""
    corrupt_fraction: float = 0.0
    """Share of the packets whose bytes are all random."""
    speed: float = 1.0
    """Rate over the nominal one: 0.8 is a slow board, 1.00005 one whose crystal is 50 ppm fast."""
    burst: int = 1
    """Packets come so many at a time."""


class SerialCyton:
    """An emulated Cyton that a driver opens by the path of a serial port.

    Runs a thread of its own from `start` (or the ``with`` statement) on. `port` is a symbolic link: a board that is unplugged and
    plugged in again is a new pseudo-terminal behind the same name.

    Parameters
    ----------
    port : Path
        Where the serial port appears.
    signal : Signal or None
        What lies at the inputs; None: sines and the sample number.
    daisy : bool
    electrodes : Electrodes or None
        None: 10 kohm each.
    seed : int
        Of the lost packets and the noise.
    """

    def __init__(self, port: Path, signal: Signal | None = None, daisy: bool = False, electrodes: Electrodes | None = None, seed: int = 1) -> None:
        self.port = port
        self.faults = CytonFaults()
        self.rate_hz = PACKETS_PER_S / (2 if daisy else 1)
        n_channels = 16 if daisy else 8
        self.protocol = CytonProtocol(daisy)
        self.signal: Signal = signal or NumberedSignal(n_channels, self.rate_hz)
        self.electrodes = electrodes or Electrodes(np.full(n_channels, 10e3))
        self.sample = 0
        """Samples taken since the start of the stream, sent or lost."""
        self.lost_packets = 0
        self._random = random.Random(seed)  # noqa: S311 - which packets are lost is no secret
        self._lock = threading.RLock()
        self._master: int | None = None
        self._slave: int | None = None
        self._burst: list[bytes] = []
        self._replies: list[tuple[float, bytes]] = []
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Plug in and begin to listen."""
        self.plug()
        self._thread = threading.Thread(target=self._run, name="emulated-cyton", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Unplug and end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.unplug()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # ------------------------------------------------------------ what may happen to a board

    def plug(self) -> None:
        """Let the port appear; a dongle that is plugged in again has a board that goes on as it was left."""
        with self._lock:
            if self._master is not None:
                return
            self._master, self._slave = pty.openpty()  # the other end stays open here: no hang-up when the driver closes
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            fresh = self.port.with_name(f"{self.port.name}.new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(os.ttyname(self._slave))
            fresh.replace(self.port)

    def unplug(self) -> None:
        """Let the port disappear; whoever has it open reads errors from now on."""
        with self._lock:
            self.port.unlink(missing_ok=True)
            for descriptor in (self._master, self._slave):
                if descriptor is not None:
                    os.close(descriptor)
            self._master = self._slave = None
            self._burst.clear()
            self._replies.clear()

    def power(self, on: bool) -> None:
        """Switch the board off, or on again; its dongle stays in the computer."""
        with self._lock:
            self.protocol.power(on)

    # ------------------------------------------------------------ running

    def _run(self) -> None:
        before, due = time.monotonic(), 0.0
        while not self._stopping.is_set():
            with self._lock:
                master = self._master
            readable = False
            if master is None:
                time.sleep(TICK_S)
            else:
                try:
                    readable = bool(select.select([master], [], [], TICK_S)[0])
                except (OSError, ValueError):
                    continue  # unplugged meanwhile
            with self._lock:
                if readable and self._master == master:
                    self._listen()
                now = time.monotonic()
                due = due + (now - before) * self.rate_hz * self.faults.speed if self.protocol.streaming else 0.0
                before = now
                while due >= 1.0:
                    due -= 1.0
                    self._send_sample()
                while self._replies and self._replies[0][0] <= now:
                    self._write(self._replies.pop(0)[1])
                self._flush()

    def _listen(self) -> None:
        assert self._master is not None
        try:
            data = os.read(self._master, 4096)
        except OSError:
            return
        if self.faults.stalled:
            return
        was_streaming = self.protocol.streaming
        replies = self.protocol.receive(data)
        if self.protocol.streaming and not was_streaming:
            self.sample = 0
        if replies:
            self._replies.append((time.monotonic() + REPLY_S, replies))

    def _send_sample(self) -> None:
        values = self.electrodes.add(self.signal.at(self.sample), self.sample, self.rate_hz, self.protocol.channels)
        aux = (100 + self.sample % 16, 200, 4096) if self.protocol.board_mode == "default" else (512 + self.sample % 16, 300, 400)
        for packet in self.protocol.packets(values, aux):
            if self._is_lost():
                self.lost_packets += 1
            else:
                corrupt = self._random.random() < self.faults.corrupt_fraction
                self._burst.append(self._random.randbytes(len(packet)) if corrupt else packet)
                if self._random.random() < self.faults.noise_fraction:
                    self._burst.append(self._random.randbytes(self._random.randint(1, 40)))
        if self.faults.garbage:
            self._burst.append(self.faults.garbage)
            self.faults.garbage = b""
        self.sample += 1

    def _is_lost(self) -> bool:
        if self.faults.drop_packets > 0:
            self.faults.drop_packets -= 1
            return True
        return self.faults.stalled or self._master is None or self._random.random() < self.faults.drop_fraction

    def _flush(self) -> None:
        if self.faults.held or len(self._burst) < self.faults.burst:
            return
        for piece in self._burst:
            self._write(piece)
        self._burst.clear()

    def _write(self, data: bytes) -> None:
        """Write; what nobody takes within a moment is lost, as with a radio."""
        while data and self._master is not None:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                if not select.select([], [self._master], [], PATIENCE_S)[1]:
                    break
            except OSError:
                break
        if data:
            self.lost_packets += 1
