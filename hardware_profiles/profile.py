"""What a board is: its driver, channels, rate, reference and units, read from one TOML file."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_\-]{0,63}$")]
ChannelInput = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
ChannelName = Annotated[str, StringConstraints(min_length=1, max_length=32, strip_whitespace=True)]


class ProfileError(Exception):
    """A profile is missing or wrong; the message names the file, the field, the value and the remedy."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Channel(_Frozen):
    """One recorded channel."""

    name: ChannelName
    """Electrode name of the 10-05 system, or the board's own name."""
    kind: Literal["eeg", "eog", "ecg", "emg", "aux", "trigger", "photodiode"] = "eeg"
    unit: Literal["uV", "V", "a.u."] = "uV"
    """Unit of the recorded values; EEG and EOG are always microvolt in the log."""
    input: ChannelInput | None = None
    """Where the driver delivers it. BrainFlow: ``"eeg:0"``, ``"analog:2"``, ``"digital:0"``, ``"accel:1"``, ``"other:0"`` (kind of row and
    position within it). LSL: ``"3"`` (position) or the label of the stream's own description. None: the driver's EEG inputs in order."""


class Driver(_Frozen):
    """How samples are fetched."""

    kind: Literal["brainflow", "lsl", "replay", "simulated_subject"]
    board_id: int | None = None
    """BrainFlow board id; needed for ``kind = "brainflow"``."""
    master_board_id: int | None = None
    """BrainFlow's playback and streaming boards: the board that recorded, or that streams."""
    file: str | None = None
    """BrainFlow's playback board: the file to play."""
    stream_name: str | None = None
    """LSL: name of the stream. At least one of name, type and source id is needed; all that are given must fit."""
    stream_type: str | None = None
    """LSL: type of the stream, usually ``EEG``."""
    source_id: str | None = None
    """LSL: source id of the stream; with it an outlet that comes back is recognised without doubt."""
    serial_port: str | None = None
    mac_address: str | None = None
    ip_address: str | None = None
    ip_port: int | None = Field(default=None, ge=1, le=65535)
    serial_number: str | None = None
    timeout_s: int | None = Field(default=None, ge=1, le=60)
    scale_to_uv: float = Field(default=1.0, gt=0)
    """Factor from the driver's unit to microvolt (BrainFlow's EEG is microvolt already)."""
    counter_modulus: int | None = Field(default=None, ge=2)
    """The board numbers its packets 0 ... modulus - 1; None: it does not number them and loss shows in time only."""
    delay_ms: float = Field(default=0.0, ge=0, le=1000)
    """How long after a sample's time the board delivers it."""
    impedance: Literal["openbci"] | None = None
    """How electrode impedance is measured: ``openbci`` is the lead-off current of the ADS1299 (6 nA at 31.25 Hz); None: the board offers none."""


class QualityLimits(_Frozen):
    """From where on a channel or a stream is called bad. Every limit is a setting of the profile."""

    flat_uv: float = Field(default=0.5, gt=0)
    """Peak-to-peak amplitude in a second under which a channel is flat."""
    railed_uv: float = Field(default=180_000.0, gt=0)
    """Amplitude from which a channel is at its amplifier's rail (24-bit amplifiers at gain 24: 187,500 microvolt)."""
    largest_rms_uv: float = Field(default=100.0, gt=0)
    """RMS above 1 Hz that no scalp EEG has for long; electrodes that move or hang in the air do."""
    mains_ratio: float = Field(default=0.5, gt=0, le=1)
    """Share of the power from 1 Hz on that lies at the mains frequency."""
    emg_ratio: float = Field(default=0.5, gt=0, le=1)
    """Share of the power from 1 Hz on, mains left out, that lies above 30 Hz."""
    bridged_ratio: float = Field(default=0.02, gt=0, le=1)
    """Two channels are bridged when the power of their difference is less than this share of their mean power."""
    loss_fraction: float = Field(default=0.01, gt=0, le=1)
    jitter_ms: float = Field(default=50.0, gt=0)
    drift_ppm: float = Field(default=500.0, gt=0)
    age_ms: float = Field(default=500.0, gt=0)
    impedance_kohm: float = Field(default=50.0, gt=0)


class OnsetEdges(_Frozen):
    """The channel whose edges say when something was shown: a photodiode on the screen or a trigger line."""

    channel: ChannelName
    polarity: Literal["rising", "falling", "both"] = "rising"
    threshold: float | None = None
    """In the channel's unit; None: half-way between the channel's two levels, found while it runs."""
    earliest_ms: float = Field(default=-50.0, ge=-1000, le=0)
    """An edge belongs to an onset when it comes not earlier than this after the onset the page reported (negative: before) ..."""
    latest_ms: float = Field(default=250.0, gt=0, le=1000)
    """... and not later than this."""
    debounce_ms: float = Field(default=20.0, ge=0, le=1000)
    """Edges closer to the last one than this are the same edge."""


class HardwareProfile(_Frozen):
    """One board or amplifier with its montage.

    A profile with ``channels = []`` and ``sampling_rate_hz = 0`` (driver ``replay``) takes both from the recording.
    """

    name: Name
    title: str
    driver: Driver
    sampling_rate_hz: float = Field(ge=0, le=20000)
    mains_hz: Literal[50, 60] = 50
    reference: str = "unknown"
    ground: str = "unknown"
    montage: str = "standard_1005"
    """Name of the electrode montage that MNE knows."""
    channels: tuple[Channel, ...] = Field(max_length=512)
    display_latency_ms: float | None = None
    """Measured by a photodiode run of this set-up; None = unknown."""
    display_latency_sd_ms: float | None = Field(default=None, ge=0)
    lsl_markers: bool = False
    """Send events out as an LSL marker stream (ids only, never text)."""
    lsl_eeg: bool = False
    """Send the samples out as an LSL stream, for other programs of the lab."""
    onset_edges: OnsetEdges | None = None
    """Where set, onsets move to the edges of this channel (`onset_source` photodiode or trigger, by the channel's kind)."""
    quality: QualityLimits = QualityLimits()
    eog: str = ""
    """Where an EOG electrode goes on this board, and how the profile is told."""
    wiring: str = ""
    """How to place and connect the electrodes."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [c.name for c in self.channels]
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise ValueError(f"channels: {', '.join(doubled)} listed more than once; every channel needs a name of its own")
        if self.driver.kind == "brainflow" and self.driver.board_id is None:
            raise ValueError("driver.board_id: missing; a brainflow driver needs the board's number")
        if self.driver.kind == "lsl" and not (self.driver.stream_name or self.driver.stream_type or self.driver.source_id):
            raise ValueError("driver: no stream is named; give stream_name, stream_type or source_id")
        if self.onset_edges is not None:
            edges = [c for c in self.channels if c.name == self.onset_edges.channel]
            if not edges or edges[0].kind not in ("trigger", "photodiode"):
                raise ValueError(f"onset_edges.channel: '{self.onset_edges.channel}' is no channel of kind trigger or photodiode; list it under channels")
        if self.driver.kind != "replay":
            if not self.channels:
                raise ValueError("channels: empty; list the board's channels in the order it delivers them")
            if self.sampling_rate_hz <= 0:
                raise ValueError(f"sampling_rate_hz: {self.sampling_rate_hz} is not a rate; give the board's samples per second")
        return self

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of all recorded channels, in their order."""
        return tuple(c.name for c in self.channels)

    @property
    def eeg_names(self) -> tuple[str, ...]:
        """Names of the EEG channels, in their order."""
        return tuple(c.name for c in self.channels if c.kind == "eeg")


def profile_names() -> list[str]:
    """Names of the shipped profiles, sorted."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.toml"))


def _nearest(text: str) -> str:
    """Say which shipped profile may be meant."""
    names = {name.replace("_", ""): name for name in profile_names()}
    found = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", text.casefold()), names, n=1, cutoff=0.6)
    return f" Did you mean '{names[found[0]]}'?" if found else ""


def load_profile(name_or_path: str | Path) -> HardwareProfile:
    """Read a shipped profile by name, or a profile file by path.

    Parameters
    ----------
    name_or_path : str or Path
        ``"brainflow_synthetic"``, or the path of a TOML file (anything that holds a separator or ends in ``.toml``).

    Returns
    -------
    HardwareProfile

    Raises
    ------
    ProfileError
        The file is missing, is no TOML, or a field is unknown, missing or wrong. The message names file, field and value.
    """
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        path = Path(text)
    else:
        path = Path(__file__).parent / f"{text}.toml"
        if not path.is_file():
            listing = ", ".join(profile_names())
            raise ProfileError(f"There is no profile '{text}'.{_nearest(text)} Shipped profiles: {listing}; or give the path of a .toml file.")
    try:
        fields: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"Profile {path} cannot be read: {error.strerror or error}. Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"Profile {path} is not valid TOML: {error}. Correct the file.") from error
    try:
        return HardwareProfile.model_validate(fields)
    except ValidationError as error:
        raise ProfileError(f"Profile {path}: {_sentences(error)}") from error


def _sentences(error: ValidationError) -> str:
    found = []
    for e in error.errors(include_url=False):
        field = ".".join(str(part) for part in e["loc"])
        if e["type"] == "extra_forbidden":
            found.append(f"unknown field '{field}' (value {e['input']!r}); remove it or correct its spelling")
        elif e["type"] == "missing":
            found.append(f"field '{field}' is missing; add it")
        elif field:
            found.append(f"field '{field}': {e['msg']} (value {e['input']!r})")
        else:
            found.append(str(e["ctx"]["error"]) if "ctx" in e else e["msg"])
    return "; ".join(found) + "."
