"""liblsl's inlet, without its silent recovery: what there is, one open stream, its samples, its clock against ours."""

import contextlib
import ctypes
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardError
from acquisition.lsl_description import StreamDescription
from acquisition.lsl_outlets import SOURCE_PREFIX
from hardware_profiles import HardwareProfile
from hardware_profiles.profile import Driver
from messaging.clocks import ClockOffset

BUFFER_S = 30
OPEN_S = 3.0
SYNCHRONISE_S = 5.0
CORRECT_EVERY_S = 1.0
FIRST_CORRECTION_EVERY_S = 0.1
CLOCK_SET_S = 5e-3
"""A machine whose clock is further off than this from what was known of it was started anew."""
PULL_S = 0.5
"""At most so much stream is pulled at once."""


def look_for(wait_s: float) -> tuple[list[Any], list[StreamDescription]]:
    """Return all streams that answer within a time, as pylsl and as we know them; newest first."""
    import pylsl

    infos = sorted(pylsl.resolve_streams(wait_s), key=lambda info: -info.created_at())
    return infos, [described(info) for info in infos]


def look_for_fitting(driver: Driver, wait_s: float, at_least: int = 1) -> list[Any]:
    """Return the streams that fit a profile, newest first, as soon as so many answered; what there is after the time."""
    import pylsl

    parts = {"name": driver.stream_name, "type": driver.stream_type, "source_id": driver.source_id}
    predicate = " and ".join(f"{field}={_quoted(value)}" for field, value in parts.items() if value is not None)
    if driver.source_id is None:
        predicate += f" and not(starts-with(source_id,'{SOURCE_PREFIX}'))"
    return sorted(pylsl.resolve_bypred(predicate, at_least, wait_s), key=lambda info: -info.created_at())


def _quoted(value: str) -> str:
    """Quote text for an XPath predicate."""
    return f"'{value}'" if "'" not in value else f'"{value}"'


def described(info: Any, full: bool = False) -> StreamDescription:
    """Take out of pylsl's description what we need of it; labels and units where it is the full one."""
    import pylsl

    labels: list[str] = []
    units: list[str] = []
    if full:
        channel = info.desc().child("channels").child("channel")
        while not channel.empty() and len(labels) < info.channel_count():
            labels.append(str(channel.child_value("label") or channel.child_value("name")).strip())
            units.append(str(channel.child_value("unit")).strip())
            channel = channel.next_sibling("channel")
    return StreamDescription(
        name=info.name(),
        type=info.type(),
        source_id=info.source_id(),
        host=info.hostname(),
        rate_hz=float(info.nominal_srate()),
        n_channels=int(info.channel_count()),
        numeric=info.channel_format() not in (pylsl.cf_string, pylsl.cf_undefined),
        labels=tuple(labels),
        units=tuple(units),
    )


class ClockSetError(BoardError):
    """The sender's clock is not what was known of it: it must be compared with ours again."""


class Inlet:
    """One open stream.

    Parameters
    ----------
    info : pylsl.StreamInfo
        As resolved.
    profile : HardwareProfile
        For the words of errors.

    Raises
    ------
    BoardError
        The stream cannot be opened.
    """

    def __init__(self, info: Any, profile: HardwareProfile) -> None:
        import pylsl

        self._title = profile.title
        self.received = False
        self.correction_s = self.correction_sd_s = 0.0
        self.offset = ClockOffset(keep=24)
        """The sender's clock against ours."""
        self._latest = (0.0, 0.0)
        self._provisional = False
        self._probe_at_s = 0.0
        try:
            self._inlet: Any = pylsl.StreamInlet(info, max_buflen=BUFFER_S, recover=False, as_numpy=True)
            self._inlet.open_stream(OPEN_S)
            full = self._inlet.info(OPEN_S)
        except RuntimeError as error:
            host = info.hostname()
            raise BoardError(
                f"{self._title}: the LSL stream '{info.name()}' on {host} was seen but cannot be opened: {error or type(error).__name__}. "
                f"Open TCP ports 16572 to 16604 of {host} in its firewall."
            ) from error
        self.uid = str(info.uid())
        self.description = described(full, full=True)
        if not self.description.numeric:
            return
        self._most = max(64, round(PULL_S * self.description.rate_hz))
        self._buffer = np.empty((self._most, self.description.n_channels), dtype=self._inlet.np_dtype)
        self._stamps = np.empty(self._most)
        self._buffer_at, self._stamps_at = self._buffer.ctypes.data, self._stamps.ctypes.data
        self._row_bytes = self._buffer.strides[0]

    def synchronise(self, before: ClockOffset | None = None) -> None:
        """Compare the sender's clock with ours.

        Parameters
        ----------
        before : ClockOffset or None
            What was known of the same machine's clock: used until the first answer comes, instead of waiting half a second for it.

        Raises
        ------
        BoardError
            No answer to LSL's time probes.
        """
        if before is not None and before.fit() is not None:
            self.offset = before
            self._provisional = True
            self._apply()
            return
        try:
            self._probe(SYNCHRONISE_S)
        except RuntimeError as error:
            raise BoardError(
                f"{self._title}: the clock of {self.description.host} does not answer, so its samples cannot be placed in time. "
                f"Open UDP ports 16572 to 16604 of {self.description.host} in its firewall."
            ) from error

    def _apply(self) -> None:
        fit = self.offset.fit()
        if fit is not None:
            self.correction_s, self.correction_sd_s = -fit.offset_s, fit.sd_ms / 1e3

    def _probe(self, timeout_s: float) -> None:
        from pylsl.lib import lib
        from pylsl.util import handle_error

        remote, uncertainty, code = ctypes.c_double(), ctypes.c_double(), ctypes.c_int()
        lib.lsl_time_correction_ex.restype = ctypes.c_double
        correction = lib.lsl_time_correction_ex(
            self._inlet.obj, ctypes.byref(remote), ctypes.byref(uncertainty), ctypes.c_double(timeout_s), ctypes.byref(code)
        )
        handle_error(code)
        if (correction, remote.value) == self._latest:
            return
        self._latest = (correction, remote.value)
        if self._provisional and abs(correction - self.correction_s) > max(CLOCK_SET_S, uncertainty.value):
            raise ClockSetError(f"{self._title}: the clock of {self.description.host} was set anew; comparing it with ours again.")
        self._provisional = False
        # One round trip as ClockOffset takes them: our time of its middle, the sender's time then, its duration.
        here_s, half_s = remote.value + correction, max(uncertainty.value, 0.0) / 2
        self.offset.add(here_s - half_s, remote.value, remote.value, here_s + half_s)
        self._apply()

    def _probe_if_due(self) -> None:
        now_s = time.monotonic()
        if now_s < self._probe_at_s:
            return
        import pylsl.util

        self._probe_at_s = now_s + (FIRST_CORRECTION_EVERY_S if self._provisional else CORRECT_EVERY_S)
        with contextlib.suppress(pylsl.util.TimeoutError):
            self._probe(0.0)

    def flush(self) -> None:
        """Throw away what was sent until now."""
        self._inlet.flush()

    def pull(self, wait_s: float) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
        """Wait for a sample and return all there are.

        Returns
        -------
        samples : (n_samples, n_channels), a view that the next call overwrites
        stamps_s : (n_samples,) of the sender's clock

        Raises
        ------
        BoardError
            The outlet is gone, or its clock was set anew (`ClockSetError`).
        """
        try:
            self._probe_if_due()
            samples, stamps = self._drain(wait_s)
        except RuntimeError as error:
            raise BoardError(f"{self._title}: the LSL stream '{self.description.name}' on {self.description.host} is gone. Start it again there.") from error
        self.received = self.received or len(stamps) > 0
        return samples, stamps

    def _drain(self, wait_s: float) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
        """Pull until nothing is left: a chunk is unpacked sample by sample while the first is already here."""
        n = self._pull_into(0, 1, wait_s)
        while 0 < n < self._most:
            more = self._pull_into(n, self._most - n, 0.0)
            if more == 0:
                break
            n += more
        return self._buffer[:n], self._stamps[:n].copy()

    def _pull_into(self, at: int, most: int, wait_s: float) -> int:
        """Let liblsl write into our arrays: pylsl's `pull_chunk` takes three times as long, in arrays and ctypes types made anew."""
        from pylsl.util import handle_error

        inlet, code, n_channels = self._inlet, ctypes.c_int(), self.description.n_channels
        values = inlet.do_pull_chunk(
            inlet.obj,
            ctypes.c_void_p(self._buffer_at + at * self._row_bytes),
            ctypes.c_void_p(self._stamps_at + at * 8),
            ctypes.c_size_t(most * n_channels),
            ctypes.c_size_t(most),
            ctypes.c_double(wait_s),
            ctypes.byref(code),
        )
        handle_error(code)
        return int(values) // n_channels

    def close(self) -> None:
        """Let go of the stream."""
        self._inlet = None
