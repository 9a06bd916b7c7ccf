"""What an LSL stream says of itself, and how its channels become the profile's: which column, which factor to microvolt. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquisition.board import BoardError
from acquisition.lsl_outlets import SOURCE_PREFIX
from hardware_profiles import HardwareProfile
from hardware_profiles.profile import Channel, Driver

RATE_TOLERANCE = 0.005
"""Streams that state a measured rate (249.9 for 250) are taken; the sample clock finds what it really is."""
IN_MICROVOLT = {
    "uv": 1.0, "microvolt": 1.0, "microvolts": 1.0,
    "mv": 1e3, "millivolt": 1e3, "millivolts": 1e3,
    "v": 1e6, "volt": 1e6, "volts": 1e6,
    "nv": 1e-3, "nanovolt": 1e-3, "nanovolts": 1e-3,
}  # fmt: skip
BIOSIGNALS = ("eeg", "eog", "ecg", "emg")


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """An LSL stream as it is seen on the network; labels and units are known once it is opened."""

    name: str
    type: str
    source_id: str
    host: str
    rate_hz: float
    """0: irregular."""
    n_channels: int
    numeric: bool = True
    labels: tuple[str, ...] = ()
    """One per channel, empty where the stream names none; an empty tuple where it names no channel at all."""
    units: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The stream in a few words, for the operator."""
        rate = f"{self.rate_hz:g} Hz" if self.rate_hz else "irregular"
        return f"'{self.name}' (type '{self.type}', source id '{self.source_id}', {self.n_channels} channels, {rate}, on {self.host})"


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """Which columns of the stream are recorded, and how they are scaled."""

    columns: NDArray[np.intp]
    """(n_channels,)"""
    scale: NDArray[np.float64]
    """(n_channels,) factor to the profile's unit, microvolt for EEG."""
    remarks: tuple[str, ...]
    """What had to be assumed, one sentence each."""


def fits(driver: Driver, stream: StreamDescription) -> bool:
    """Whether all that the profile says of the stream is true of it; our own outgoing streams fit only by their source id."""
    if driver.source_id is None and stream.source_id.startswith(SOURCE_PREFIX):
        return False
    wanted = ((driver.stream_name, stream.name), (driver.stream_type, stream.type), (driver.source_id, stream.source_id))
    return all(value is None or value == there for value, there in wanted)


def choose(profile: HardwareProfile, streams: Sequence[StreamDescription]) -> int:
    """Return which stream is the profile's.

    Raises
    ------
    BoardError
        None fits, or several do; the message lists what there is.
    """
    driver = profile.driver
    found = [k for k, stream in enumerate(streams) if fits(driver, stream)]
    if len(found) == 1:
        return found[0]
    wanted = " and ".join(
        f"{word} '{value}'"
        for word, value in (("name", driver.stream_name), ("type", driver.stream_type), ("source id", driver.source_id))
        if value is not None
    )
    if found:
        listed = "; ".join(streams[k].sentence for k in found)
        raise BoardError(f"Profile {profile.name}: {len(found)} LSL streams have {wanted}: {listed}. Name one: give driver.source_id, or also its name.")
    there = "; ".join(stream.sentence for stream in streams) or "none at all"
    remedy = "Start the stream in the amplifier's program, or correct the profile; for another computer's stream open the firewall (docs/lsl.md)."
    raise BoardError(f"Profile {profile.name}: there is no LSL stream with {wanted}. Streams seen: {there}. {remedy}")


def plan_channels(profile: HardwareProfile, stream: StreamDescription) -> ChannelPlan:
    """Find each channel of the profile in the stream.

    Parameters
    ----------
    profile : HardwareProfile
    stream : StreamDescription
        With labels and units.

    Returns
    -------
    ChannelPlan

    Raises
    ------
    BoardError
        Rate, format, number, names or units of the channels do not fit; the message says what to change.
    """
    _check_rate(profile, stream)
    remarks: list[str] = []
    columns = _columns(profile, stream, remarks)
    scale = [_scale(profile, channel, stream, column, remarks) for channel, column in zip(profile.channels, columns, strict=True)]
    return ChannelPlan(np.array(columns, dtype=np.intp), np.array(scale), tuple(dict.fromkeys(remarks)))


def _check_rate(profile: HardwareProfile, stream: StreamDescription) -> None:
    if not stream.numeric:
        raise BoardError(f"Profile {profile.name}: the stream {stream.sentence} carries text, not samples. Name the EEG stream.")
    if stream.rate_hz == 0:
        raise BoardError(
            f"Profile {profile.name}: the stream {stream.sentence} states no sampling rate, so lost samples could not be told. "
            "Set the rate in the sender's program."
        )
    if abs(stream.rate_hz / profile.sampling_rate_hz - 1) > RATE_TOLERANCE:
        raise BoardError(
            f"Profile {profile.name}: sampling_rate_hz is {profile.sampling_rate_hz:g}, the stream {stream.sentence} gives {stream.rate_hz:g}. "
            "Correct the profile or the amplifier's setting."
        )


# ---------------------------------------------------------------- which column


def _columns(profile: HardwareProfile, stream: StreamDescription, remarks: list[str]) -> list[int]:
    by_input = [c for c in profile.channels if c.input is not None]
    by_name = [c for c in profile.channels if c.input is None]
    columns = {c.name: _input_column(profile, c, stream) for c in by_input}
    free = [k for k in range(stream.n_channels) if k not in columns.values()]
    columns |= _named_columns(profile, by_name, stream, free, remarks)
    chosen = [columns[c.name] for c in profile.channels]
    doubled = sorted({k for k in chosen if chosen.count(k) > 1})
    if doubled:
        names = ", ".join(c.name for c in profile.channels if columns[c.name] in doubled)
        raise BoardError(f"Profile {profile.name}: channels {names} all take column {doubled[0]} of the stream. Correct their input.")
    return chosen


def _input_column(profile: HardwareProfile, channel: Channel, stream: StreamDescription) -> int:
    assert channel.input is not None
    if channel.input.isdecimal():
        column = int(channel.input)
        if column >= stream.n_channels:
            raise BoardError(
                f"Profile {profile.name}: channel {channel.name} is at position {column}, the stream {stream.sentence} has positions 0 to "
                f"{stream.n_channels - 1}. Correct its input."
            )
        return column
    found = [k for k, label in enumerate(stream.labels) if label == channel.input]
    if len(found) != 1:
        raise BoardError(
            f"Profile {profile.name}: channel {channel.name} is to be the stream's '{channel.input}', which occurs {len(found)} times among "
            f"{_listed(stream)}. Correct its input, or give a position."
        )
    return found[0]


def _named_columns(profile: HardwareProfile, channels: list[Channel], stream: StreamDescription, free: list[int], remarks: list[str]) -> dict[str, int]:
    """Columns of the channels without an input: by label where the labels are the profile's names, else in order."""
    labels = {stream.labels[k].casefold(): k for k in free if k < len(stream.labels)}
    found = {c.name: labels[c.name.casefold()] for c in channels if c.name.casefold() in labels}
    if len(found) == len(channels):
        return found
    if found:
        missing = ", ".join(c.name for c in channels if c.name not in found)
        raise BoardError(
            f"Profile {profile.name}: the stream {stream.sentence} has no channel {missing}; its channels are {_listed(stream)}. "
            "Correct the names, or give each channel its input."
        )
    if len(channels) > len(free):
        raise BoardError(
            f"Profile {profile.name} lists {len(profile.channels)} channels, the stream {stream.sentence} has {stream.n_channels}: {_listed(stream)}. "
            "Correct channels."
        )
    remarks.append(f"The stream's channels ({_listed(stream)}) are not named as the profile's; the first {len(channels)} were taken in their order.")
    return {c.name: free[k] for k, c in enumerate(channels)}


def _listed(stream: StreamDescription) -> str:
    """Name the stream's channels, at most forty."""
    if not any(stream.labels):
        return "without names"
    shown = [label or "?" for label in stream.labels]
    return ", ".join(shown[:40]) + (f" and {len(shown) - 40} more" if len(shown) > 40 else "")


# ---------------------------------------------------------------- which unit


def unit_in_uv(unit: str) -> float | None:
    """Microvolts in one of a unit as LSL programs write it (``microvolts``, ``uV``, ``µV``, ``volts`` ...); None when it is no voltage.

    ``mV`` and ``MV`` are both taken for millivolt: no electrode gives a megavolt.
    """
    return IN_MICROVOLT.get(unit.strip().casefold().replace("\u03bc", "u").replace(" ", ""))


def _scale(profile: HardwareProfile, channel: Channel, stream: StreamDescription, column: int, remarks: list[str]) -> float:
    """Factor of one channel: from the stream's unit, or from the profile where that says another."""
    unit = stream.units[column].strip() if column < len(stream.units) else ""
    known = unit_in_uv(unit)
    if channel.kind not in BIOSIGNALS:
        per_unit = {"uV": 1.0, "V": 1e6, "a.u.": None}[channel.unit]
        return known / per_unit if known is not None and per_unit is not None else 1.0
    set_to = profile.driver.scale_to_uv
    if set_to != 1.0:
        if known is not None and known != set_to:
            remarks.append(f"The stream says '{unit}', the profile scale_to_uv = {set_to:g}: the profile's factor was applied.")
        return set_to
    if known is not None:
        return known
    if unit:
        raise BoardError(
            f"Profile {profile.name}: the stream's channel {channel.name} is in '{unit}', which is no voltage. "
            "Give driver.scale_to_uv: how many microvolts one of it is."
        )
    if "scale_to_uv" not in profile.driver.model_fields_set:
        raise BoardError(
            f"Profile {profile.name}: the stream {stream.sentence} states no unit for channel {channel.name}. "
            "Give driver.scale_to_uv in the profile: 1.0 where the sender gives microvolts, 1e6 for volts."
        )
    remarks.append("The stream states no units; they were taken to be microvolts, as the profile says.")
    return 1.0
