"""Messages between the acquisition daemon and the session server (`/ws/v1/lab`, opened by the lab)."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hardware_profiles import HardwareProfile
from messaging.records import ClockFit, DecoderRef, UnitShown
from messaging.rewards import Refusal
from messaging.words import ClockKind, EventType, OnsetSource, Source


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SessionPlan(_Frozen):
    """What the daemon needs to know of a session to record it: the text of a `Header`, without the board's part."""

    session_id: str
    recording_id: str
    subject: str
    protocol: str
    task: str
    soa_ms: float | None = None
    consent: str | None = None
    prior: float = Field(gt=0, lt=1)
    decoder: DecoderRef | None = None
    """Decoder that is current when the session starts; the daemon writes it as the first event."""


class LabHello(_Frozen):
    """First message of a daemon, up; sent again after every reconnection."""

    type: Literal["hello"] = "hello"
    token: str | None = None
    daemon_id: str
    profile: HardwareProfile
    source: Source
    clock: ClockKind
    session: SessionPlan | None = None
    """Set when the daemon runs a session of its own (a replay): the server enters it as running."""


class LabConfirmed(_Frozen):
    """The server has taken the end of a session that the daemon ran by itself, down."""

    type: Literal["confirmed"] = "confirmed"
    session_id: str


class LabWelcome(_Frozen):
    """Answer to the hello, down. What is to be recorded follows as a command."""

    type: Literal["welcome"] = "welcome"
    server_id: str


class ClockPing(_Frozen):
    """Ask the other side's clock; both directions of every websocket understand it."""

    type: Literal["clock_ping"] = "clock_ping"
    t0: float


class ClockPong(_Frozen):
    """Answer: t0 as it came, and the answering clock (seconds, monotonic) when the ping came and when this left."""

    type: Literal["clock_pong"] = "clock_pong"
    t0: float
    t1: float
    t2: float


class ServerTime(_Frozen):
    """When something happened, on the server's monotonic clock (seconds)."""

    onset_server_s: float
    offset_server_s: float | None = None
    onset_sd_ms: float = Field(ge=0)
    onset_source: OnsetSource
    page_ms: float | None = None
    page_to_server: ClockFit | None = None
    frames_missed: int = 0


class LabEvent(_Frozen):
    """One event for the log, down; repeated until `LabAck` names it. Marks of right or wrong never travel here."""

    event_id: str
    type: EventType
    session_id: str
    time: ServerTime | None = None
    """None: the event has no time of its own and takes the place where it arrives."""
    block: int = 0
    trial: int | None = None
    presentation: str | None = None
    repeat: int = 0
    unit: UnitShown | None = None
    n_units: int | None = None
    decoder: DecoderRef | None = None
    text: str | None = None
    value: float | None = None


class LabEvents(_Frozen):
    """Events for the log, down, in their order."""

    type: Literal["event"] = "event"
    events: tuple[LabEvent, ...] = Field(max_length=1000)


class StartRecording(_Frozen):
    """Record this session, down; harmless when it is being recorded already."""

    type: Literal["command"] = "command"
    command: Literal["start_recording"] = "start_recording"
    session: SessionPlan


class StopRecording(_Frozen):
    """End the recording of this session, down; harmless when it has ended."""

    type: Literal["command"] = "command"
    command: Literal["stop_recording"] = "stop_recording"
    session_id: str
    reason: str


class MeasureImpedance(_Frozen):
    """Measure the electrodes' impedance, or stop measuring, down. Never while a block is presented: the test current is in the EEG."""

    type: Literal["command"] = "command"
    command: Literal["measure_impedance"] = "measure_impedance"
    on: bool = True
    channels: tuple[str, ...] = ()
    """Which channels, one after the other; empty: all EEG channels."""


class ReplayControl(_Frozen):
    """Pause, resume or move a replay, down; a live board knows no such thing."""

    type: Literal["command"] = "command"
    command: Literal["replay"] = "replay"
    action: Literal["pause", "resume", "seek"]
    position_s: float | None = Field(default=None, ge=0)
    """For ``seek``: seconds from the start of the replayed recording."""


LabCommand = Annotated[StartRecording | StopRecording | MeasureImpedance | ReplayControl, Field(discriminator="command")]


class LabAck(_Frozen):
    """These events are in the recording, up (also for events that were in it before)."""

    type: Literal["ack"] = "ack"
    recorded: tuple[str, ...]


class ReplayPosition(_Frozen):
    """Where a replay is."""

    position_s: float = Field(ge=0)
    """Seconds from the start of the replayed recording."""
    duration_s: float = Field(gt=0)
    paused: bool = False


class LabStatus(_Frozen):
    """State of the daemon, up, once a second and on every change."""

    type: Literal["status"] = "status"
    state: Literal["connecting", "streaming", "recording", "stalled", "ended"]
    sentence: str
    """The state in one sentence for the operator."""
    session_id: str | None = None
    recording_id: str | None = None
    ordinal: int = 0
    sample_index: int = 0
    time_lsl_s: float | None = None
    sampling_rate_hz: float = 0
    measured_rate_hz: float | None = None
    preview_rate_hz: float = 0
    """Rate of the preview frames; their sample_index counts at `sampling_rate_hz`."""
    loss_fraction: float = 0
    sample_age_ms: float | None = None
    clock_sd_ms: float | None = None
    """Standard deviation of the server-to-host clock fit."""
    bus: Literal["connected", "away"] = "connected"
    bytes_free: int | None = None
    replay: ReplayPosition | None = None
    """Set while a recording is replayed."""


class ChannelQuality(_Frozen):
    """One channel over the last second."""

    name: str
    rms_uv: float
    """Root mean square from 1 Hz on."""
    mains_ratio: float | None = None
    emg_ratio: float | None = None
    """Share of the power from 1 Hz on, mains left out, that lies above 30 Hz."""
    flat: bool = False
    railed: bool = False
    bridged_with: str | None = None
    missing: float = 0.0
    """Share of the second's samples that are not finite."""
    bad: bool = False
    reasons: tuple[str, ...] = ()
    """Why the channel is bad, a few words each, with the value and the limit."""


class StreamQuality(_Frozen):
    """The stream as a whole over the last seconds; None where a figure does not apply (virtual clock) or is not known yet."""

    loss_fraction: float = 0.0
    jitter_ms: float | None = None
    """Standard deviation of the chunks' arrival around the sample clock."""
    drift_ppm: float | None = None
    """Board clock against the host's."""
    sample_age_ms: float | None = None
    blinks_per_min: float | None = None
    reasons: tuple[str, ...] = ()


class LabQuality(_Frozen):
    """Signal quality, up, once a second."""

    type: Literal["quality"] = "quality"
    session_id: str | None = None
    channels: tuple[ChannelQuality, ...]
    stream: StreamQuality | None = None


class ChannelImpedance(_Frozen):
    """Impedance of one electrode; None until it has been measured for a second."""

    name: str
    impedance_kohm: float | None = None
    bad: bool = False


class LabEnded(_Frozen):
    """A session that the daemon ran by itself (a replay) has its end, up; repeated until `LabConfirmed` names it, also by a later daemon.

    The server moves the session to finished, if it is live still, and confirms; it confirms a session that it does not know as well.
    """

    type: Literal["ended"] = "ended"
    session_id: str
    sentence: str


class LabImpedance(_Frozen):
    """Electrode impedance while it is being measured, up, once a second."""

    type: Literal["impedance"] = "impedance"
    measuring: str | None = None
    """Channel that carries the test current now; None: measuring has ended."""
    channels: tuple[ChannelImpedance, ...]


class LabAlarm(_Frozen):
    """Something the operator must know now, up."""

    type: Literal["alarm"] = "alarm"
    session_id: str | None = None
    what: str
    """A word for programs, e.g. ``board_stalled``, ``disk_full``, ``bus_away``."""
    sentence: str
    """What happened and what to do."""


LabUp = TypeAdapter[LabHello | ClockPing | LabAck | LabStatus | LabQuality | LabImpedance | LabEnded | LabAlarm](
    Annotated[LabHello | ClockPing | LabAck | LabStatus | LabQuality | LabImpedance | LabEnded | LabAlarm, Field(discriminator="type")]
)
"""Text messages of the daemon. Binary frames up are previews: one `records.Chunk` as `encode_record` writes it (all channels,
microvolt, thinned to `LabStatus.preview_rate_hz`)."""

LabDown = TypeAdapter[LabWelcome | ClockPong | LabEvents | StartRecording | StopRecording | MeasureImpedance | ReplayControl | LabConfirmed | Refusal](
    LabWelcome | ClockPong | LabEvents | LabCommand | LabConfirmed | Refusal
)
"""Text messages to the daemon."""
