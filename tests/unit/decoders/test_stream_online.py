import numpy as np
import pytest

from decoders.alarms import AlarmLimits, Alarms
from decoders.online import OnlineDecoder
from decoders.running import Decoded
from decoders.spec import StreamError
from decoders.stream import Loss
from messaging import identity
from messaging.records import MarkerShown, RecordError, StepShown
from messaging.words import EventType, LabelKind, Polarity, ReleaseState, Signal, TimeLock
from tests.reference.decoder_logs import NAMES, fitted, header, loader, log, rewards_of, unit, use


def noise(n=3000, seed=0):
    return np.random.default_rng(seed).normal(scale=10, size=(n, len(NAMES))).astype(np.float32)


def decode(placed, *, samples=None, decoders=None, lost=(), cuts=range(0, 40_000, 20), end=True, **fields):
    online = OnlineDecoder(loader(*(decoders or [fitted()])))
    return rewards_of(online, log(header(**fields), noise() if samples is None else samples, placed, cuts, lost, end))


def by_index(rewards):
    return {reward.unit.index: reward for reward in rewards}


def reasons(rewards):
    return [reward.release_reason for reward in rewards]


def test_a_unit_becomes_a_full_reward():
    (reward,) = decode([(0, use()), (500, {**unit(400, 3), "trial": 7, "block": 2})], soa_ms=450.0, consent="c1")
    decoder = fitted()
    assert reward.label_id == identity.label_id("ses", "pres", LabelKind.UNIT, 3, Signal.ERROR, "sub")
    assert (reward.release, reward.release_reason, reward.late) == (ReleaseState.OK, None, False)
    assert (reward.sample_index, reward.window_ms, reward.soa_ms, reward.trial, reward.block, reward.consent) == (400, (-100.0, 700.0), 450.0, 7, 2, "c1")
    assert (reward.reference, reward.montage, reward.prior, reward.prior_removed) == ("A1", "standard_1005", 0.2, 0.2)
    assert reward.decoder == decoder.statement
    assert reward.reward == pytest.approx(2 * (0.2 - reward.p_error))
    assert reward.onset_lsl_s == pytest.approx(11.6)
    assert reward.quality.gap == 0


def test_the_score_is_that_of_filter_means_and_weights():
    from scipy import signal

    samples, decoder = noise(), fitted()
    (reward,) = decode([(0, use()), (500, unit(400))], samples=samples)
    sections = signal.butter(2, [0.5, 20], "bandpass", fs=250, output="sos")
    picked = samples[:, :3].astype(float)
    filtered, _ = signal.sosfilt(sections, picked, axis=0, zi=signal.sosfilt_zi(sections)[:, :, None] * picked[0])
    base = filtered[375:400].mean(axis=0)
    features = np.concatenate([filtered[400 + a : 400 + b].mean(axis=0) - base for a, b in [(25, 50), (50, 75), (75, 125), (125, 175)]])
    score = features @ decoder.scorer.weights + decoder.scorer.bias
    assert reward.llr == pytest.approx(score - 1.4 - np.log(0.2 / 0.8), abs=1e-9)


def test_a_unit_is_answered_by_the_chunk_that_completes_its_window():
    online = OnlineDecoder(loader(fitted()))
    records = log(header(), noise(), [(0, use()), (400, unit(400))], range(0, 3000, 5))
    answered = [record for record in records if online.receive(record)]
    assert [(record.sample_index, record.end_index) for record in answered] == [(570, 575)]


def test_without_a_decoder_units_get_the_reason():
    assert reasons(decode([(10, unit(400))])) == ["no_decoder"]
    (reward,) = decode([(0, use("other")), (10, unit(400))])
    assert reward.release_reason == "There is no decoder other@1."
    assert (reward.decoder, reward.llr, reward.signal, reward.release) == (None, None, Signal.ERROR, ReleaseState.HELD)


@pytest.mark.parametrize(
    ("decoder", "words"),
    [
        (fitted(rate_hz=500.0), "250 Hz, the decoder was fitted at 500 Hz"),
        (fitted(names=("Fz", "FCz", "CPz")), "FCz, CPz"),
        (fitted(task="calibration_errp"), "calibration_errp"),
    ],
)
def test_a_decoder_that_does_not_fit_says_why_in_every_reward(decoder, words):
    found = decode([(0, use()), (500, unit(400, 0)), (500, unit(700, 1))], decoders=(decoder,))
    assert all(words in reward.release_reason for reward in found)
    assert len(found) == 2


def test_units_that_cannot_be_decoded_say_why():
    placed = [
        (0, use()),
        (1, unit(10, 0)),
        (2, unit(100, 1)),
        (2, unit(0, 2, placed=False)),
        (500, unit(400, 3)),
        (600, unit(2990, 4)),
    ]
    found = by_index(decode(placed))
    assert found[0].release_reason.startswith("before_start")
    assert found[1].release_reason.startswith("rejected: settling")
    assert found[2].release_reason == "onset_unplaced"
    assert found[3].release is ReleaseState.OK
    assert found[4].release_reason == "recording_ended"
    assert all((found[i].llr, found[i].p_error, found[i].confidence, found[i].prior_removed) == (None,) * 4 for i in (0, 1, 2, 4))


def test_an_onset_hours_ahead_blocks_nobody():
    online = OnlineDecoder(loader(fitted()))
    placed = [(0, use()), (400, unit(9_000_000, 0)), (500, unit(500, 1)), (2000, unit(2000, 2))]
    records = log(header(), noise(), placed, range(0, 3000, 10), end=False)
    assert [(r.unit.index, r.release_reason) for r in rewards_of(online, records)] == [(0, "onset_unplaced"), (1, None), (2, None)]
    assert online.n_waiting == 0


def test_samples_that_left_the_ring_are_lost():
    found = decode([(0, use()), (38_000, unit(7900, 0)), (38_000, unit(8100, 1))], samples=noise(38_000))
    assert reasons(found) == ["window_lost", None]


def test_one_chunk_longer_than_the_ring_loses_no_waiting_unit():
    samples = noise(70_000)
    placed = [(0, use()), *((0, unit(onset, i)) for i, onset in enumerate(range(500, 69_000, 2000)))]
    assert reasons(decode(placed, samples=samples, cuts=())) == [None] * 35


def test_gaps_reject_or_are_counted():
    placed = [(0, use()), *((3000, unit(onset, i)) for i, onset in enumerate((400, 700, 1100)))]
    found = by_index(decode(placed, lost=[(450, 460), (800, 830)]))
    assert (found[0].release, found[0].quality.gap) == (ReleaseState.OK, 10)
    assert found[1].release_reason == "rejected: gap: 30 of 200 samples are missing"
    assert (found[1].quality.gap, found[2].quality.gap) == (30, 0)


def test_artifacts_reject_with_the_rule():
    samples = noise()
    samples[500:510, 1] = 5000
    (reward,) = decode([(0, use()), (500, unit(400))], samples=samples)
    assert reward.quality.artifact.startswith("amplitude: Cz")
    assert reward.release_reason == f"rejected: {reward.quality.artifact}"


@pytest.mark.parametrize(
    ("decoder", "fields", "words"),
    [
        (fitted(released=False), {}, "gate: information_gain: the lower bound"),
        (fitted(trained_on=("a", "rec")), {}, "in_training"),
        (fitted(subjects=("anna", "bert")), {}, "other_subject: calibrated with anna, bert, not with sub"),
        (fitted(trained_on=("a", "b" * 64)), {"replayed_sha256": "b" * 64}, "in_training"),
    ],
)
def test_values_are_kept_but_held(decoder, fields, words):
    (reward,) = decode([(0, use()), (500, unit(400))], decoders=(decoder,), **fields)
    assert reward.release is ReleaseState.HELD
    assert reward.release_reason.startswith(words)
    assert reward.llr is not None


def test_a_decoder_of_this_subject_is_not_held():
    (reward,) = decode([(0, use()), (500, unit(400))], decoders=(fitted(subjects=("anna", "sub")),))
    assert reward.release is ReleaseState.OK


def test_an_uncertain_onset_is_held():
    found = decode([(0, use()), (500, unit(400, 0, sd_ms=15.0)), (500, unit(500, 1, sd_ms=15.1))])
    assert reasons(found) == [None, "onset_sd: 15.1 ms > 15 ms"]


def test_holds_and_releases_count_from_their_ordinal_on():
    placed = [
        (0, use()),
        (401, unit(400, 0)),
        (402, {"type": EventType.HOLD, "text": "electrode off"}),
        (403, unit(400, 1)),
        (404, {"type": EventType.RELEASE}),
        (405, unit(400, 2)),
    ]
    assert reasons(decode(placed)) == [None, "hold: electrode off", None]


def test_an_aborted_presentation_is_held_before_and_after():
    abort = {"type": EventType.TRIAL_ABORTED, "presentation": "pres"}
    placed = [(0, use()), (401, unit(400, 0)), (402, unit(400, 5, presentation="other")), (700, abort), (701, unit(500, 1))]
    found = decode(placed)
    assert [(r.unit.index, r.release_reason) for r in found] == [(0, None), (5, None), (0, "aborted presentation"), (1, "aborted presentation")]
    assert found[2].label_id == found[0].label_id
    assert found[2].llr == found[0].llr


def test_what_ended_well_is_not_held_by_a_later_abort():
    ended, aborted = ({"type": kind, "presentation": "pres"} for kind in (EventType.TRIAL_END, EventType.TRIAL_ABORTED))
    assert reasons(decode([(0, use()), (401, unit(400, 0)), (700, ended), (701, aborted)])) == [None]


def test_a_decoder_serves_the_units_after_its_event_with_its_own_samples():
    first, same, other = fitted(), fitted("same", seed=1), fitted("other", seed=2, highpass_hz=0.1)
    placed = [(0, use()), (600, unit(500, 0)), (600, use("same")), (601, unit(500, 1)), (1000, use("other")), (1001, unit(950, 2)), (1200, unit(1200, 3))]
    found = by_index(decode(placed, decoders=(first, same, other)))
    assert [found[i].decoder.name for i in range(4)] == ["hand", "same", "other", "other"]
    # The same filter goes on; another one has seen nothing before its event and settles.
    assert (found[0].release, found[1].release, found[3].release) == (ReleaseState.OK,) * 3
    assert found[2].release_reason.startswith("before_start")


def test_a_decoder_may_be_taken_away():
    assert reasons(decode([(0, use()), (401, unit(400, 0)), (700, {"type": EventType.DECODER}), (701, unit(700, 1))])) == [None, "no_decoder"]


def test_too_many_rejected_windows_hold_until_a_release():
    samples = noise(9000)
    samples[2000:4000, 0] += np.where(np.arange(2000) % 30 == 0, 9000, 0)
    placed = [(0, use()), *((onset, unit(onset, i)) for i, onset in enumerate(range(500, 8000, 100))), (6001, {"type": EventType.RELEASE})]
    found = decode(placed, samples=samples)
    marks = [r.release_reason.split(":")[0] if r.release_reason else "ok" for r in found]
    n_rejected = marks.count("rejected")
    assert n_rejected > 10
    release = next(i for i, onset in enumerate(range(500, 8000, 100)) if onset > 6001)
    last_rejected = max(i for i, mark in enumerate(marks) if mark == "rejected")
    assert set(marks[last_rejected + 1 : release]) == {"alarm"}
    assert set(marks[release:]) == {"ok"}
    assert "11 of the last" in found[last_rejected + 1].release_reason


def test_lost_samples_over_a_minute_hold():
    lost = [(start, start + 8) for start in range(1000, 3000, 100)]
    found = decode([(0, use()), *((onset, unit(onset, i)) for i, onset in enumerate(range(500, 4000, 100)))], samples=noise(5000), lost=lost)
    first = next(i for i, r in enumerate(found) if r.release_reason)
    # 1 % of 15,000 samples are 150: the nineteenth gap of 8 is one too many; its window holds it.
    assert found[first].release_reason.startswith("alarm: 152 of the last 15000 samples lost")
    assert found[first].sample_index + 174 >= 2800 > found[first - 1].sample_index + 174
    assert all(r.release_reason for r in found[first:])


NO_LOSS = Loss(0, 0)


def take(alarms, p=None, loss=NO_LOSS):
    class Value:
        p_error = p

    alarms.take(Decoded(Value() if p is not None else None, None, loss=loss), 0.2, 1000)
    return alarms.raised


def test_label_rate_alarm_needs_a_hundred_units_outside_its_range():
    alarms = Alarms()
    assert all(take(alarms, 0.03) is None for _ in range(99))
    assert "outside 0.040-1.000" in take(alarms, 0.03)
    alarms.release()
    assert all(take(alarms, 0.05) is None for _ in range(200))


def test_label_rate_alarm_fires_above_the_range_too():
    alarms = Alarms(AlarmLimits(label_rate=(0.2, 2.0)))
    assert [take(alarms, 0.5) is None for _ in range(100)].count(False) == 1


def test_windows_that_were_not_looked_at_count_for_nothing():
    alarms = Alarms()
    for _ in range(100):
        assert take(alarms, None, loss=None) is None
    for _ in range(10):
        assert take(alarms) is None
    assert take(alarms) is not None


def test_a_release_forgives_the_loss_so_far():
    alarms = Alarms()
    assert take(alarms, 0.2, Loss(11, 11)) is not None
    alarms.release()
    assert take(alarms, 0.2, Loss(20, 20)) is None
    assert take(alarms, 0.2, Loss(22, 22)) is not None


def test_needed_and_kept_indices():
    online = OnlineDecoder(loader(fitted()))
    assert (online.oldest_needed_index, online.oldest_kept_index) == (None, None)
    rewards_of(online, log(header(), noise(), [(0, use()), (2900, unit(2980, 0)), (2900, unit(2950, 1))], end=False))
    assert (online.oldest_needed_index, online.oldest_kept_index, online.n_waiting) == (2925, 0, 2)


def test_late_is_marked():
    online = OnlineDecoder(loader(fitted()), late=True)
    records = log(header(), noise(), [(0, use()), (500, unit(400, 0)), (900, unit(900, 1))], range(0, 3000, 10))
    first = [r for record in records[:70] for r in online.receive(record)]
    online.late = False
    second = [r for record in records[70:] for r in online.receive(record)]
    assert ([r.late for r in first], [r.late for r in second]) == ([True], [False])


def test_records_again_change_nothing_and_missing_ones_are_refused():
    records = log(header(), noise(), [(0, use()), (500, unit(400))], range(0, 3000, 100))
    online = OnlineDecoder(loader(fitted()))
    assert len([r for record in records for r in (*online.receive(record), *online.receive(record))]) == 1
    online = OnlineDecoder(loader(fitted()))
    online.receive(records[0])
    with pytest.raises(RecordError, match="3 follows 1"):
        online.receive(records[2])


def test_a_log_has_its_header_first_and_its_end_last():
    records = log(header(), noise(), [])
    with pytest.raises(StreamError, match="first record is a header"):
        OnlineDecoder(loader()).receive(records[1].__class__(1, 0, 0.0, noise(5)))
    online = OnlineDecoder(loader())
    rewards_of(online, records)
    with pytest.raises(StreamError, match="follows the log's end"):
        online.receive(records[1].__class__(len(records) + 1, 3000, 0.0, noise(5)))


def marked(onset, index, polarity):
    event = unit(onset, index)
    shown = event["unit"].model_copy(update={"marker": MarkerShown(polarity=polarity, source="drawn"), "time_lock": TimeLock.MARKER})
    return {**event, "unit": shown}


def test_after_a_rejection_the_same_window_says_the_opposite_of_the_unit():
    plain, accepted, rejected = (
        decode([(0, use()), (500, event)])[0] for event in (unit(400), marked(400, 0, Polarity.ACCEPT), marked(400, 0, Polarity.REJECT))
    )
    assert accepted.time_lock is TimeLock.MARKER
    assert (accepted.llr, accepted.reward, accepted.reward_nc) == (plain.llr, plain.reward, plain.reward_nc)
    assert rejected.llr == pytest.approx(-accepted.llr, rel=1e-12)
    assert rejected.llr_sd == pytest.approx(accepted.llr_sd, rel=1e-9)
    assert rejected.confidence == pytest.approx(accepted.confidence)
    assert rejected.p_error == pytest.approx(1 / (1 + np.exp(accepted.llr - np.log(0.2 / 0.8))))
    assert rejected.reward == pytest.approx(2 * (0.2 - rejected.p_error))
    assert accepted.label_id == rejected.label_id  # of the unit, whatever was said of it


def test_a_step_of_reasoning_gives_a_label_of_kind_step():
    event = unit(400, 2)
    step = event["unit"].model_copy(update={"step": StepShown(step_id="r.2", parent_id="r.1")})
    (reward,) = decode([(0, use()), (500, {**event, "unit": step})])
    assert reward.kind is LabelKind.STEP
    assert reward.label_id == identity.label_id("ses", "pres", LabelKind.STEP, 2, Signal.ERROR, "sub")
    assert reward.unit.step == StepShown(step_id="r.2", parent_id="r.1")
