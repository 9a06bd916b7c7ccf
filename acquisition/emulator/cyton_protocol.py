"""What an OpenBCI Cyton says and does on its serial line, without the line: bytes in, replies and packets out.

Written after OpenBCI's "Cyton Board SDK" and "Cyton Data Format" (https://docs.openbci.com/Cyton/CytonSDK/,
https://docs.openbci.com/Cyton/CytonDataFormat/), firmware v3.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CHANNEL_LETTERS = "12345678QWERTYUI"
"""How commands name channels 1 to 16 (9 to 16: the Daisy)."""
TURN_OFF, TURN_ON = "12345678qwertyui", "!@#$%^&*QWERTYUI"
GAINS = (1, 2, 4, 6, 8, 12, 24)
UV_PER_COUNT_AT_GAIN_1 = 4.5e6 / (2**23 - 1)
"""ADS1299: 4.5 V reference, 24 bit."""
PACKET_BYTES = 33
PACKETS_PER_S = 250
COUNTER_MODULUS = 256
LARGEST_COUNT = 2**23 - 1
BOARD_MODES = {"0": "default", "1": "debug", "2": "analog", "3": "digital", "4": "marker", "/": "default"}
OFF_REPLY = b"Failure: Communications timeout - Device failed to poll Host$$$"
"""What the dongle itself answers when the board is off or out of range."""


@dataclass(slots=True)
class ChannelSettings:
    """State of one input of the ADS1299."""

    on: bool = True
    gain: int = 24
    input_type: int = 0
    bias: bool = True
    srb2: bool = True
    srb1: bool = False
    lead_off_p: bool = False
    lead_off_n: bool = False


@dataclass(slots=True)
class CytonProtocol:
    """One board: takes the host's bytes, answers, and makes packets of counts.

    Parameters
    ----------
    daisy : bool
        With the Daisy module: 16 channels, two packets a sample.
    """

    daisy: bool = False
    streaming: bool = False
    powered: bool = True
    """False: only the dongle is there and answers for the board."""
    board_mode: str = "default"
    counter: int = 0
    channels: list[ChannelSettings] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    """Every whole command the host has sent, the last thousand of them."""
    _pending: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.channels = [ChannelSettings() for _ in range(16 if self.daisy else 8)]

    def power(self, on: bool) -> None:
        """Switch the board on or off; switched on again it has its defaults and does not stream."""
        self.powered = on
        self._reset()

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the host and return what the board answers at once."""
        self._pending += data
        replies = bytearray()
        while self._pending:
            command = self._next_command()
            if command is None:
                break
            self.commands.append(command)
            del self.commands[:-1000]
            replies += self._obey(command) if self.powered else OFF_REPLY
        return bytes(replies)

    def _next_command(self) -> str | None:
        """Cut the next whole command off what has come; None while it is not whole."""
        lengths = {"x": 9, "z": 5, "/": 2, "~": 2, "\xf0": 2}
        first = chr(self._pending[0])
        length = lengths.get(first, 1)
        if len(self._pending) < length:
            return None
        command = bytes(self._pending[:length]).decode("latin-1")
        del self._pending[:length]
        return command

    def _obey(self, command: str) -> bytes:
        match command[0]:
            case "v":
                self._reset()
                return self._greeting()
            case "d":
                self.channels = [ChannelSettings() for _ in self.channels]
                return self._unless_streaming("updating channel settings to default")
            case "b":
                self.streaming, self.counter = True, 0
            case "s":
                self.streaming = False
            case "x":
                return self._set_channel(command)
            case "z":
                return self._set_lead_off(command)
            case "/":
                return self._set_mode(command)
            case "~":
                return self._unless_streaming(f"Success: Sample rate is {PACKETS_PER_S}Hz")
            case "D":
                return self._unless_streaming("060110")
            case c if c in TURN_OFF and TURN_OFF.index(c) < len(self.channels):
                self.channels[TURN_OFF.index(c)].on = False
            case c if c in TURN_ON and TURN_ON.index(c) < len(self.channels):
                self.channels[TURN_ON.index(c)].on = True
        return b""

    def _reset(self) -> None:
        self.streaming, self.counter, self.board_mode = False, 0, "default"
        self.channels = [ChannelSettings() for _ in self.channels]
        self._pending.clear()

    def _greeting(self) -> bytes:
        daisy = "On Daisy ADS1299 Device ID: 0x3E\n" if self.daisy else ""
        return f"OpenBCI V3 8-16 channel\nOn Board ADS1299 Device ID: 0x3E\n{daisy}LIS3DH Device ID: 0x33\nFirmware: v3.1.2\n$$$".encode()

    def _unless_streaming(self, text: str) -> bytes:
        """Confirmations come only while no samples are on the line."""
        return b"" if self.streaming else f"{text}$$$".encode()

    def _channel(self, letter: str) -> ChannelSettings | None:
        at = CHANNEL_LETTERS.find(letter)
        return self.channels[at] if 0 <= at < len(self.channels) else None

    def _set_channel(self, command: str) -> bytes:
        channel, digits = self._channel(command[1]), command[2:8]
        if command[8] != "X":
            return self._unless_streaming("Failure: 9th char not X")
        if channel is None or not digits.isdigit() or int(digits[1]) >= len(GAINS):
            return self._unless_streaming("Failure: Err: too many chars")
        off, gain, source, bias, srb2, srb1 = (int(d) for d in digits)
        channel.on, channel.gain, channel.input_type = not off, GAINS[gain], source
        channel.bias, channel.srb2, channel.srb1 = bool(bias), bool(srb2), bool(srb1)
        return self._unless_streaming(f"Success: Channel set for {command[1]}")

    def _set_lead_off(self, command: str) -> bytes:
        channel = self._channel(command[1])
        if command[4] != "Z":
            return self._unless_streaming("Failure: 5th char not Z")
        if channel is None:
            return self._unless_streaming("Failure: Err: too many chars")
        channel.lead_off_p, channel.lead_off_n = command[2] == "1", command[3] == "1"
        return self._unless_streaming(f"Success: Lead off set for {command[1]}")

    def _set_mode(self, command: str) -> bytes:
        if command[1] not in BOARD_MODES:
            return self._unless_streaming("Failure: invalid board mode value.")
        if command[1] != "/":
            self.board_mode = BOARD_MODES[command[1]]
        return self._unless_streaming(f"Success: {self.board_mode}")

    def packets(self, sample_uv: NDArray[np.float64], aux: tuple[int, int, int]) -> list[bytes]:
        """Packets of one sample: one, or with the Daisy two (its eight channels first, under an even number).

        Parameters
        ----------
        sample_uv : (n_channels,)
            What is at the inputs, microvolt.
        aux : tuple of int
            Three 16-bit values: acceleration, or the analogue or digital pins in those modes.
        """
        gains = np.array([c.gain for c in self.channels])
        on = np.array([c.on for c in self.channels])
        counts = np.clip(np.rint(np.where(on, sample_uv * gains / UV_PER_COUNT_AT_GAIN_1, 0.0)), -LARGEST_COUNT - 1, LARGEST_COUNT)
        halves = (counts[8:], counts[:8]) if self.daisy else (counts,)
        return [self._packet(half.astype(np.int32), aux) for half in halves]

    def _packet(self, counts: NDArray[np.int32], aux: tuple[int, int, int]) -> bytes:
        body = counts.astype(">i4").view(np.uint8).reshape(8, 4)[:, 1:].tobytes()
        end = {"default": 0xC0, "analog": 0xC1, "digital": 0xC1, "marker": 0xC1}.get(self.board_mode, 0xC0)
        packet = bytes([0xA0, self.counter]) + body + np.array(aux, dtype=">i2").tobytes() + bytes([end])
        self.counter = (self.counter + 1) % COUNTER_MODULUS
        return packet
