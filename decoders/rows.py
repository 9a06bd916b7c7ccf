"""The reward row of one decoded unit, and the reason why it may be held."""

from dataclasses import dataclass

from decoders.fitted import FittedDecoder
from decoders.running import Decoded
from decoders.spec import Reference
from messaging import identity
from messaging.records import Event, Header
from messaging.rewards import Quality, Reward
from messaging.words import LabelKind, ReleaseState, Signal, TimeLock


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds a unit besides its own window."""

    aborted: bool
    hold: str | None
    """An operator's hold, with its reason."""
    alarm: str | None
    max_onset_sd_ms: float


def hold_reason(header: Header, event: Event, decoder: FittedDecoder | None, decoded: Decoded, standing: Standing) -> str | None:
    """Name the first reason why a reward is held, or None when it may be learnt from.

    The order goes from what cannot change any more to what an operator can lift: no value, gate, training data, aborted
    presentation, uncertain onset, operator's hold, alarm.
    """
    if decoder is None or decoded.valuation is None:
        return decoded.reason
    if not decoder.released:
        failed = next((line for line in decoder.gate if line.verdict == "failed"), None)
        return f"gate: {failed.name}: {failed.sentence}" if failed else "gate: the decoder is not released"
    if decoder.statement.subjects and header.subject not in decoder.statement.subjects:
        return f"other_subject: calibrated with {', '.join(decoder.statement.subjects)}, not with {header.subject}"
    if {header.replayed_sha256, header.recording_id} & set(decoder.statement.trained_on):
        return "in_training"
    if standing.aborted:
        return "aborted presentation"
    if event.onset is not None and event.onset.onset_sd_ms > standing.max_onset_sd_ms:
        return f"onset_sd: {event.onset.onset_sd_ms:g} ms > {standing.max_onset_sd_ms:g} ms"
    if standing.hold is not None:
        return f"hold: {standing.hold}"
    return f"alarm: {standing.alarm}" if standing.alarm is not None else None


def reward_row(header: Header, event: Event, decoder: FittedDecoder | None, decoded: Decoded, held: str | None, *, late: bool) -> Reward:
    """Build the reward of one unit.

    Parameters
    ----------
    header : Header
    event : Event
        Of type `unit`. Without a presentation its own identity stands for one.
    decoder : FittedDecoder or None
    decoded : Decoded
    held : str or None
        Reason to hold it; None releases it.
    late : bool
        Decoded from the recording instead of the live stream.
    """
    spec = decoder.spec if decoder else None
    onset, unit = event.onset, event.unit
    signal, presentation = spec.signal if spec else Signal.ERROR, event.presentation or event.event_id
    kind = LabelKind.STEP if unit is not None and unit.step is not None else LabelKind.UNIT
    averaged = spec is not None and spec.preprocessing.reference is Reference.AVERAGE
    return Reward(
        label_id=identity.label_id(header.session_id, presentation, kind, unit.index if unit else None, signal, header.subject),
        kind=kind,
        signal=signal,
        session_id=header.session_id,
        subject=header.subject,
        recording_id=header.recording_id,
        protocol=header.protocol,
        task=header.task,
        source=header.source,
        clock=header.clock,
        consent=header.consent,
        ordinal=event.ordinal,
        block=event.block,
        trial=event.trial,
        presentation=presentation,
        repeat=event.repeat,
        unit=unit,
        onset_lsl_s=onset.onset_lsl_s if onset else None,
        offset_lsl_s=onset.offset_lsl_s if onset else None,
        onset_sd_ms=onset.onset_sd_ms if onset else None,
        onset_source=onset.onset_source if onset else None,
        time_lock=unit.time_lock if unit else TimeLock.UNIT,
        sample_index=event.onset_sample_index,
        window_ms=(spec.window.start_ms, spec.window.end_ms) if spec else None,
        soa_ms=header.soa_ms,
        display_latency_ms=header.profile.display_latency_ms,
        prior=header.prior,
        **_value_columns(decoder, decoded),
        release=ReleaseState.OK if held is None else ReleaseState.HELD,
        release_reason=held,
        late=late,
        quality=Quality(artifact=decoded.artifact, gap=decoded.gap),
        reference="average" if averaged else header.profile.reference,
        montage=header.profile.montage,
        decoder=decoder.statement if decoder else None,
    )


def _value_columns(decoder: FittedDecoder | None, decoded: Decoded) -> dict[str, float | None]:
    value = decoded.valuation
    if decoder is None or value is None:
        return dict.fromkeys(("llr", "llr_sd", "prior_removed", "p_error", "reward", "reward_sd", "reward_nc", "confidence"))
    return {
        "llr": value.llr,
        "llr_sd": value.llr_sd,
        "prior_removed": decoder.calibration.prior_removed,
        "p_error": value.p_error,
        "reward": value.reward,
        "reward_sd": value.reward_sd,
        "reward_nc": value.reward_nc,
        "confidence": value.confidence,
    }


def aborted_row(reward: Reward) -> Reward:
    """Hold a reward that was released before its presentation was broken off; the same label again, as a later revision."""
    return reward.model_copy(update={"release": ReleaseState.HELD, "release_reason": "aborted presentation"})
