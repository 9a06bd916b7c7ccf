"""Rewards: what a decoder says about a unit, and the websocket messages that carry it (`/ws/v1/rewards`)."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from messaging.records import UnitShown
from messaging.words import ClockKind, LabelKind, OnsetSource, ReleaseState, Signal, Source, TimeLock


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DecoderStatement(_Frozen):
    """What a label says of the decoder that made it (label group ``trust.decoder``)."""

    name: str
    version: int
    sha256: str
    task: str
    soa_ms: float | None
    calibration_id: str
    auc: float | None
    auc_ci95: tuple[float, float] | None
    trained_on: tuple[str, ...]
    """Content hashes of the training recordings."""
    subjects: tuple[str, ...] = ()
    """Whom it was calibrated with; its verdict speaks of them alone. Empty: not known, as in decoders of before."""
    adapted_to: str | None = None


class Quality(_Frozen):
    """How the window looks; every reason for a missing value is here or in `release_reason`."""

    artifact: str | None = None
    """Which rule the window broke, e.g. ``amplitude: Fp1 212 uV > 150 uV``."""
    gap: int = 0
    """Samples of the window that were missing (interpolated up to 40 ms, else the window is rejected)."""
    impedance: float | None = None
    drift: float | None = None


class Reward(_Frozen):
    """One decoded unit: the part of a label row that the lab knows. The server adds text, generator and rating."""

    label_id: str
    kind: LabelKind
    signal: Signal
    # where from
    session_id: str
    subject: str
    recording_id: str
    protocol: str
    task: str
    source: Source
    clock: ClockKind
    consent: str | None
    ordinal: int
    """Ordinal of the event that was decoded."""
    block: int
    trial: int | None
    presentation: str
    repeat: int
    unit: UnitShown | None
    # when
    onset_lsl_s: float | None
    offset_lsl_s: float | None
    onset_sd_ms: float | None
    onset_source: OnsetSource | None
    time_lock: TimeLock
    sample_index: int | None
    window_ms: tuple[float, float] | None
    soa_ms: float | None
    display_latency_ms: float | None
    # value; all None when the window could not be decoded
    llr: float | None
    llr_sd: float | None
    prior_removed: float | None
    prior: float
    p_error: float | None
    reward: float | None
    reward_sd: float | None
    reward_nc: float | None
    confidence: float | None
    value: float | None = None
    value_sd: float | None = None
    pair_llr: float | None = None
    # trust
    release: ReleaseState
    release_reason: str | None
    late: bool
    """Decoded from the recording instead of the live stream."""
    quality: Quality
    reference: str
    montage: str
    decoder: DecoderStatement | None


class WorkerHello(_Frozen):
    """First message of a worker, up."""

    type: Literal["hello"] = "hello"
    token: str | None = None
    role: Literal["worker"] = "worker"
    worker_id: str
    recording_id: str
    session_id: str
    decoders: tuple[DecoderStatement, ...] = ()


class CalibrationWish(_Frozen):
    """What is to be fitted on a recording when it has ended."""

    recording_id: str
    item_set: str
    """Item set of the server whose marks tell the classes apart."""
    name: str
    """Name of the decoder in the registry."""


class GateLine(_Frozen):
    """One line of the gate, as the operator reads it."""

    name: str
    verdict: str
    sentence: str


class CalibrationProgress(_Frozen):
    """How far a fit has come, up."""

    type: Literal["calibration"] = "calibration"
    recording_id: str
    what: str
    fraction: float = Field(ge=0, le=1)


class CalibrationResult(_Frozen):
    """What came of a fit, up; repeated until `CalibrationTaken` names the recording."""

    type: Literal["calibrated"] = "calibrated"
    recording_id: str
    name: str | None = None
    version: int | None = None
    """Both None when no decoder could be fitted."""
    released: bool = False
    auc: float | None = None
    auc_ci95: tuple[float, float] | None = None
    gate: tuple[GateLine, ...] = ()
    sentence: str
    """The outcome in one sentence, with the remedy where it is bad."""


class CalibrationTaken(_Frozen):
    """The server has the outcome of a fit, or wants it no more, down."""

    type: Literal["calibration_taken"] = "calibration_taken"
    recording_id: str


class WorkerWelcome(_Frozen):
    """Answer to a worker's hello, down."""

    type: Literal["welcome"] = "welcome"
    epoch: int
    """Highest lease epoch that the server has seen for this recording; a worker takes a higher one."""
    calibration: CalibrationWish | None = None
    """What to fit when the recording ends."""


class RewardBatch(_Frozen):
    """Rewards of one worker, up; kept by the worker until acknowledged."""

    type: Literal["rewards"] = "rewards"
    batch: int
    epoch: int
    recording_id: str
    items: tuple[Reward, ...] = Field(max_length=5000)


class RewardAck(_Frozen):
    """The batch is committed to the label log, down."""

    type: Literal["ack"] = "ack"
    batch: int


class Fenced(_Frozen):
    """A batch was refused because a worker with a higher epoch took over, down."""

    type: Literal["fenced"] = "fenced"
    epoch: int


class ConsumerHello(_Frozen):
    """First message of a consumer of rewards, up."""

    type: Literal["hello"] = "hello"
    token: str | None = None
    role: Literal["consumer"] = "consumer"


class Subscribe(_Frozen):
    """Which sessions a consumer wants, up; empty = all it may read."""

    type: Literal["subscribe"] = "subscribe"
    sessions: tuple[str, ...] = ()


class CommittedRewards(_Frozen):
    """Committed label rows, down to consumers and the operator page; ``items`` are rows of `rlhb.label.v1`."""

    type: Literal["rewards"] = "rewards"
    session_id: str
    items: tuple[dict[str, Any], ...]


class RefusalCode(StrEnum):
    """Why a connection was refused or closed, for programs."""

    BAD_MESSAGE = "bad_message"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """Another connection has what this one asks for, e.g. a second subject page."""
    REPLACED = "replaced"
    """Another connection took over what this one had."""
    TOO_SLOW = "too_slow"
    FAILED = "failed"
    """The server failed; connecting again may help."""


class Refusal(_Frozen):
    """The server closes the connection and says why, down."""

    type: Literal["refused"] = "refused"
    reason: str
    remedy: str
    code: RefusalCode | None = None


RewardsUp = Annotated[WorkerHello | ConsumerHello, Field(discriminator="role")]
"""First message on `/ws/v1/rewards`."""
RewardsDown = TypeAdapter[WorkerWelcome | RewardAck | Fenced | CommittedRewards | CalibrationTaken | Refusal](
    Annotated[WorkerWelcome | RewardAck | Fenced | CommittedRewards | CalibrationTaken | Refusal, Field(discriminator="type")]
)
