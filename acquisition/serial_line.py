"""The serial port below BrainFlow: is it there, who answers on it, and how long its driver waits for an answer.

BrainFlow itself never says that a port has gone: its thread goes on reading errors, at full load, and gives no samples. And it waits a
whole second after the board's last answer before it streams. Both are put right from here, by a second descriptor of the same port.
"""

import contextlib
import math
import os
import select
import threading
import time
from enum import StrEnum
from types import ModuleType

termios: ModuleType | None
try:
    import termios
except ImportError:  # Windows: BrainFlow alone must do
    termios = None

END_OF_REPLY = b"$$$"
QUIET_S = 0.03
DRIVERS_TENTHS = 10
"""Tenths of a second for which BrainFlow's reads wait for the next byte."""
LEAST_TENTHS = 2
DRIVERS_READS = 6
"""So many reads without a byte make BrainFlow give up on a board's greeting."""
STEP_S = 0.0005
LARGEST_REPLY_BYTES = 65536


class Answer(StrEnum):
    """What is found on a port."""

    GONE = "gone"
    CLOSED = "closed"
    MUTE = "mute"
    DONGLE_ONLY = "dongle only"
    BOARD = "board"
    UNKNOWN = "unknown"
    """Nothing can be told on this system."""


class SerialLine:
    """A second descriptor of a serial port that BrainFlow reads.

    It stays open from before BrainFlow opens the port until after it has closed it, so that the dongle sees one opening, and the
    port's hang-up is noticed.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.answered_s = 0.0
        """How long the board took to answer, the last time it was asked."""
        self._descriptor: int | None = None
        self._poll: select.poll | None = None
        self._hastening: threading.Thread | None = None
        self._opened = threading.Event()

    def ask(self, timeout_s: float) -> Answer:
        """Open the port, reset the board behind it and see who answers.

        Parameters
        ----------
        timeout_s : float
            How long to wait for the end of the answer.

        Notes
        -----
        Sends ``s`` (stop, should it be streaming still) and ``v`` (reset). The board greets; when it is off or out of range the dongle
        answers "Failure: Communications timeout" for it. Both end in ``$$$`` (OpenBCI Cyton SDK).
        """
        if termios is None:
            return Answer.UNKNOWN
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            return Answer.CLOSED if isinstance(error, PermissionError) else Answer.GONE
        try:
            _set_up(self._descriptor)
            os.write(self._descriptor, b"sv")
            began = time.monotonic()
            answer = _judge(_listen(self._descriptor, timeout_s))
            self.answered_s = time.monotonic() - began
        except (OSError, termios.error):
            return Answer.GONE
        self._poll = select.poll()
        self._poll.register(self._descriptor, 0)  # hang-up and error only
        return answer

    def gone(self) -> bool:
        """Whether the port has hung up: the dongle was pulled out."""
        return self._poll is not None and bool(self._poll.poll(0))

    def hasten(self) -> None:
        """From now on, shorten the driver's waiting as soon as it has set the port up, until `opened` is called."""
        if self._descriptor is None or termios is None:
            return
        self._opened.clear()
        self._hastening = threading.Thread(target=self._hasten, args=(self._descriptor, termios), daemon=True)
        self._hastening.start()

    def opened(self) -> None:
        """Tell that the driver has opened the port, or given up."""
        self._opened.set()
        if self._hastening is not None:
            self._hastening.join()
            self._hastening = None

    def _hasten(self, descriptor: int, tty: ModuleType) -> None:
        """Wait half as long again as this board needs, over all the driver's reads."""
        tenths = min(DRIVERS_TENTHS, max(LEAST_TENTHS, math.ceil(15 * self.answered_s / DRIVERS_READS)))
        while not self._opened.wait(STEP_S):
            try:
                attributes = tty.tcgetattr(descriptor)
                if attributes[6][tty.VMIN] == 0 and attributes[6][tty.VTIME] == DRIVERS_TENTHS:
                    attributes[6][tty.VTIME] = tenths
                    tty.tcsetattr(descriptor, tty.TCSANOW, attributes)
                    return
            except (tty.error, OSError):
                return

    def close(self) -> None:
        """Let go of the port."""
        self.opened()
        descriptor, self._descriptor, self._poll = self._descriptor, None, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _set_up(port: int) -> None:
    """115200 baud, eight bits, nothing translated; what was waiting is thrown away."""
    assert termios is not None
    attributes = termios.tcgetattr(port)
    attributes[0], attributes[1], attributes[3] = termios.IGNPAR, 0, 0
    attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
    attributes[4] = attributes[5] = termios.B115200
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 0, 0
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    termios.tcflush(port, termios.TCIOFLUSH)


def _listen(port: int, timeout_s: float) -> bytes:
    """Read until the end of a reply and a short quiet after it."""
    heard, deadline = bytearray(), time.monotonic() + timeout_s
    while True:
        left = QUIET_S if heard.endswith(END_OF_REPLY) else deadline - time.monotonic()
        if left <= 0 or len(heard) > LARGEST_REPLY_BYTES or not select.select([port], [], [], left)[0]:
            return bytes(heard)
        piece = os.read(port, 4096)
        if not piece:
            raise OSError("hung up")
        heard += piece


def _judge(heard: bytes) -> Answer:
    replies = [r for r in heard.split(END_OF_REPLY)[:-1] if r.strip()]
    if not replies:
        return Answer.MUTE
    return Answer.DONGLE_ONLY if b"Failure" in replies[-1] else Answer.BOARD
