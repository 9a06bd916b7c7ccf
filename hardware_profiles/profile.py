"""What a board is: its driver, channels, rate, reference and units, read from one TOML file."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_\-]{0,63}$")]
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


class Driver(_Frozen):
    """How samples are fetched."""

    kind: Literal["brainflow", "replay", "simulated_subject"]
    board_id: int | None = None
    """BrainFlow board id; needed for ``kind = "brainflow"``."""
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
            raise ProfileError(f"There is no profile '{text}'. Shipped profiles: {', '.join(profile_names())}; or give the path of a .toml file.")
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
