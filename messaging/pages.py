"""Messages between the session server and its two pages: subject and operator."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from messaging.lab import ChannelImpedance, ChannelQuality, ClockPing, ClockPong, LabStatus, StreamQuality
from messaging.records import ClockFit, UnitShown
from messaging.rewards import CalibrationResult, CommittedRewards, Refusal
from messaging.words import RatingScale


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# ---------------------------------------------------------------- subject page


class SubjectHello(_Frozen):
    """First message of a subject page, up."""

    type: Literal["hello"] = "hello"
    token: str | None = None
    page_life: str
    """Random identity of this loading of the page."""
    take_over: bool = False
    """Close another page of this session and go on here."""
    refresh_hz: float | None = None


class SubjectWelcome(_Frozen):
    """The page is the session's page now, down."""

    type: Literal["welcome"] = "welcome"
    session_id: str
    protocol: str
    n_trials: int
    trials_done: int
    instruction: str = ""
    """What the subject reads before the first trial: a heading, then paragraphs, one a line."""


class ShownBefore(_Frozen):
    """A unit that is read before the sign that its window is cut around."""

    onset_ms: float
    """After the trial's first frame."""
    duration_ms: float
    """The screen is blank from then to the sign."""


class TrialUnit(UnitShown):
    """A unit and when to show it."""

    onset_ms: float
    """After the trial's first frame; steps are the protocol's SOA with its jitter (seeded)."""
    before: ShownBefore | None = None
    """When the unit's text is shown, where what appears at `onset_ms` is `sign`."""
    sign: str | None = None
    """What appears at `onset_ms` instead of the unit's text."""

    def shown(self) -> UnitShown:
        """The unit without its times."""
        return UnitShown.model_validate({name: getattr(self, name) for name in UnitShown.model_fields})


class RatingAsked(_Frozen):
    """A question about the response, asked after its units."""

    scale: RatingScale
    question: str
    low: str
    """What the lower end of the scale means."""
    high: str
    text: str | None = None
    """The response, where it has to be read beside the question."""


class Trial(_Frozen):
    """Everything to be shown in one trial, down at once."""

    type: Literal["trial"] = "trial"
    trial: int
    block: int
    n_trials: int
    presentation: str
    repeat: int
    prompt: str
    """Shown before the units; empty for none."""
    prompt_ms: float
    fixation_ms: float
    units: tuple[TrialUnit, ...]
    unit_ms: float | None = None
    """How long a unit stays; None until the next one."""
    blank_ms: float
    """Blank after the last unit."""
    rating: RatingAsked | None = None
    """Asked before the next trial."""
    last_of_block: bool = False
    """A break follows: the page asks for the next trial when the subject goes on."""


class ShownUnit(_Frozen):
    """Frame times of one unit on the page's clock (`performance.now()`, milliseconds)."""

    index: int
    onset_page_ms: float = Field(ge=-1e12, le=1e12)
    offset_page_ms: float | None = Field(default=None, ge=-1e12, le=1e12)
    frames_missed: int = 0


class RatingGiven(_Frozen):
    """What the subject answered."""

    value: float = Field(ge=0, le=100)
    """0 to 100 (slider), 0 or 1 (thumbs)."""
    scale: RatingScale
    rt_ms: float = Field(ge=0, le=1e9)
    """From the question's appearance to its answer."""

    @model_validator(mode="after")
    def _on_the_scale(self) -> "RatingGiven":
        if self.scale is RatingScale.THUMBS and self.value not in (0.0, 1.0):
            raise ValueError(f"a thumb is 0 (down) or 1 (up), not {self.value:g}")
        return self


class Onsets(_Frozen):
    """What was shown, up; kept by the page until `OnsetsAck` names the batch."""

    type: Literal["onsets"] = "onsets"
    batch: int
    page_life: str
    presentation: str
    units: tuple[ShownUnit, ...]
    page_to_server: ClockFit
    """Server seconds = page_ms / 1000 + offset_s."""
    trial_ended: bool = False
    """All units of the trial have been shown; with the trial's last batch."""
    aborted: bool = False
    """The presentation was broken off (page reloaded, hidden, paused in the middle)."""
    rating: RatingGiven | None = None
    """The answer to the trial's question; the first one counts."""


class OnsetsAck(_Frozen):
    """The batch is in the server's outbox, down."""

    type: Literal["ack"] = "ack"
    page_life: str
    batch: int


class Ready(_Frozen):
    """The subject is ready for the next trial, up."""

    type: Literal["ready"] = "ready"


class SubjectResponse(_Frozen):
    """A key press or choice, up."""

    type: Literal["response"] = "response"
    presentation: str
    key: str
    page_ms: float


class SubjectRating(_Frozen):
    """A rating, up."""

    type: Literal["rating"] = "rating"
    presentation: str
    value: float
    scale: str
    rt_ms: float


class Pause(_Frozen):
    """Stop after the current trial; up from either page, down to the subject page."""

    type: Literal["pause"] = "pause"
    reason: str = ""


class Resume(_Frozen):
    """Go on; up from either page, down to the subject page."""

    type: Literal["resume"] = "resume"


class SessionOver(_Frozen):
    """The session is over, down."""

    type: Literal["end"] = "end"
    reason: str


SubjectUp = TypeAdapter[SubjectHello | ClockPing | Ready | Onsets | SubjectResponse | SubjectRating | Pause | Resume](
    Annotated[SubjectHello | ClockPing | Ready | Onsets | SubjectResponse | SubjectRating | Pause | Resume, Field(discriminator="type")]
)
SubjectDown = TypeAdapter[SubjectWelcome | ClockPong | Trial | OnsetsAck | Pause | Resume | SessionOver | Refusal](
    Annotated[SubjectWelcome | ClockPong | Trial | OnsetsAck | Pause | Resume | SessionOver | Refusal, Field(discriminator="type")]
)

# ---------------------------------------------------------------- operator page


class OperatorHello(_Frozen):
    """First message of an operator page, up."""

    type: Literal["hello"] = "hello"
    token: str | None = None


class OperatorCommand(_Frozen):
    """What the operator wants, up."""

    type: Literal["command"] = "command"
    command: Literal[
        "start",
        "pause",
        "resume",
        "finish",
        "abort",
        "calibrate",
        "accept",
        "hold",
        "release",
        "comment",
        "measure_impedance",
        "stop_impedance",
        "replay_pause",
        "replay_resume",
        "replay_seek",
    ]
    text: str = ""
    channels: tuple[str, ...] = ()
    """Channels whose impedance is to be measured; empty: all."""
    position_s: float | None = Field(default=None, ge=0)
    """Where a replay is to go on, seconds from its start."""


class ShownTrial(_Frozen):
    """The trial on the subject's screen, with its units, for the operator."""

    trial: int
    presentation: str
    prompt: str
    response: str | None
    units: tuple[UnitShown, ...]
    shown: int
    """How many units have been reported as shown."""


class SessionNote(_Frozen):
    """Something that happened to the session and is worth reading: a comment, a rating, a hold, a pause."""

    position: int
    """Rises with every entry of the server's journal."""
    what: str
    text: str
    who: str
    at: str


class StandingFault(_Frozen):
    """Something that is wrong now and stays in the state until it is over."""

    what: Literal["lab_away", "board_stalled", "bus_away"]
    sentence: str
    """What is wrong and what to do."""
    since: str


class BoardAbilities(_Frozen):
    """What the connected board is, and what an operator may ask of it."""

    title: str
    source: str
    impedance: bool = False
    """Electrode impedance can be measured."""
    impedance_limit_kohm: float | None = None
    eeg_channels: tuple[str, ...] = ()


class CalibrationView(_Frozen):
    """How far the calibration of a session has come."""

    active: bool
    """Its trials are being shown, or its decoder is being judged."""
    round: int
    """1 for the first time."""
    n_trials: int
    trials_done: int
    what: str | None = None
    """What the fit is doing now; None while nothing is fitted."""
    fraction: float | None = None
    result: CalibrationResult | None = None


class OperatorState(_Frozen):
    """State of the session and of every process, down, on every change and once a second."""

    type: Literal["state"] = "state"
    session_id: str
    session_state: str
    """A word of the server's state machine, or ``interrupted``: the daemon that runs the session by itself has been gone for a while."""
    protocol: str
    subject: str
    source: str | None
    n_trials: int
    trials_done: int
    labels: int
    labels_ok: int
    subject_page: bool
    """A subject page is connected."""
    lab: LabStatus | None
    worker: str | None
    """Worker id, None when none is connected."""
    channels: tuple[str, ...] = ()
    decoder: dict[str, Any] | None = None
    current: ShownTrial | None = None
    recent: tuple[ShownTrial, ...] = ()
    held: str | None = None
    """Reason of the operator's hold; None: labels are not withheld by an operator."""
    over: bool = False
    """Finished or aborted: no process works on the session any more, and none is shown."""
    recording_id: str | None = None
    recording: str = "none"
    """What becomes of the recording: none, wanted, stopping, stopped."""
    notes: tuple[SessionNote, ...] = ()
    """The latest entries of the session's journal, newest first."""
    faults: tuple[StandingFault, ...] = ()
    board: BoardAbilities | None = None
    calibration: CalibrationView | None = None
    """None: the session has none."""


class OperatorQuality(_Frozen):
    """Signal quality, down."""

    type: Literal["quality"] = "quality"
    channels: tuple[ChannelQuality, ...]
    stream: StreamQuality | None = None


class OperatorImpedance(_Frozen):
    """Electrode impedance while it is being measured, down."""

    type: Literal["impedance"] = "impedance"
    measuring: str | None = None
    channels: tuple[ChannelImpedance, ...]


class OperatorAlarm(_Frozen):
    """Something the operator must know now, down."""

    type: Literal["alarm"] = "alarm"
    what: str
    sentence: str
    at: str


OperatorUp = TypeAdapter[OperatorHello | OperatorCommand](Annotated[OperatorHello | OperatorCommand, Field(discriminator="type")])
OperatorDown = TypeAdapter[OperatorState | OperatorQuality | OperatorImpedance | OperatorAlarm | CommittedRewards | Refusal](
    Annotated[OperatorState | OperatorQuality | OperatorImpedance | OperatorAlarm | CommittedRewards | Refusal, Field(discriminator="type")]
)
"""Binary frames down are previews as they came from the daemon."""
