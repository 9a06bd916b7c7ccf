"""The promise of the online decoder: rewards follow from the log alone, bit for bit."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.online import OnlineDecoder
from decoders.spec import DecoderError
from messaging.records import decode_record, encode_record
from messaging.words import EventType
from tests.reference.decoder_logs import NAMES, fitted, header, loader, log, rewards_of, unit, use, without_ordinals

N = 6000
DECODERS = (fitted(trained_on=("a",)), fitted("same", seed=1), fitted("other", seed=2, highpass_hz=0.1, names=NAMES[1:]))
LOAD = loader(*DECODERS)


def noise(seed=0):
    random = np.random.default_rng(seed)
    samples = random.normal(scale=10, size=(N, len(NAMES))).astype(np.float32)
    for start in random.integers(0, N, 6):
        samples[start : start + random.integers(1, 20), random.integers(0, 4)] = random.choice([np.nan, np.inf, 900.0])
    return samples


SAMPLES = noise()
cut_places = st.lists(st.integers(0, N), max_size=80)
lost_spans = st.lists(st.tuples(st.integers(0, N - 50), st.integers(1, 40)), max_size=5).map(lambda spans: [(a, a + n) for a, n in spans])


@st.composite
def stories(draw):
    """Events of a session in their order: (earliest and latest place in the log, fields)."""
    events, onset = [(0, use())], 200
    for index in range(draw(st.integers(3, 20))):
        onset += draw(st.integers(1, 300))
        presentation = f"p{index // 4}"
        kind = draw(st.sampled_from(["unit"] * 8 + ["hold", "release", "decoder", "abort", "end", "jump"]))
        if kind == "unit":
            events.append((onset, unit(onset, index, presentation=presentation, sd_ms=draw(st.sampled_from([1.0, 20.0])))))
        elif kind == "jump":
            events.append((onset, unit(onset + draw(st.integers(-400, 2000)), index, presentation=presentation, placed=draw(st.booleans()))))
        elif kind == "decoder":
            events.append((onset, use(draw(st.sampled_from(["hand", "same", "other", "absent"])))))
        elif kind in ("abort", "end"):
            events.append((onset, {"type": EventType.TRIAL_ABORTED if kind == "abort" else EventType.TRIAL_END, "presentation": presentation}))
        else:
            events.append((onset, {"type": EventType(kind), "text": "why"}))
    return events


def delayed(story, delays):
    """Let events come later than they happened, in the same order and on the same side of every change of decoder."""
    placed, position = [], 0
    changes = [place for place, fields in story if fields["type"] is EventType.DECODER]
    for (place, fields), delay in zip(story, delays, strict=False):
        if fields["type"] is EventType.DECODER:
            position = place
        else:
            limit = min((change for change in changes if change > place), default=N * 10)
            position = max(position, min(place + delay, limit))
        placed.append((position, fields))
    return placed


def decoded(story, cuts, lost, delays=None):
    online = OnlineDecoder(LOAD)
    placed = delayed(story, delays or [0] * len(story))
    return without_ordinals(rewards_of(online, log(header(), SAMPLES, placed, cuts, lost)))


@given(stories(), cut_places, cut_places, lost_spans)
@settings(max_examples=60, deadline=None)
def test_rewards_do_not_depend_on_how_samples_are_cut(story, cuts, other_cuts, lost):
    once = decoded(story, cuts, lost)
    assert once == decoded(story, other_cuts, lost)
    assert len(once) >= sum(fields["type"] is EventType.UNIT for _, fields in story)


@given(stories(), cut_places, lost_spans, st.lists(st.integers(0, 3000), min_size=21, max_size=21))
@settings(max_examples=60, deadline=None)
def test_rewards_do_not_depend_on_how_late_events_come(story, cuts, lost, delays):
    assert decoded(story, cuts, lost) == decoded(story, cuts, lost, delays)


def restored(load, state):
    online = OnlineDecoder(load)
    online.restore(*state)
    return online


def through_files(state):
    """What a checkpoint on disk does to a state."""
    numbers, arrays = state
    stored = io.BytesIO()
    np.savez(stored, **arrays)
    stored.seek(0)
    with np.load(stored, allow_pickle=False) as found:
        return json.loads(json.dumps(numbers)), {name: found[name] for name in found.files}


@given(stories(), cut_places, lost_spans, st.lists(st.integers(0, 200), min_size=1, max_size=3), st.lists(st.integers(0, 3000), min_size=21, max_size=21))
@settings(max_examples=60, deadline=None)
def test_a_decoder_restored_anywhere_goes_on_bit_for_bit(story, cuts, lost, stops, delays):
    records = log(header(), SAMPLES, delayed(story, delays), cuts, lost)
    whole = [reward.model_dump_json() for reward in rewards_of(OnlineDecoder(LOAD), records)]
    online, found, done = OnlineDecoder(LOAD), [], 0
    for stop in sorted({min(stop, len(records)) for stop in stops}):
        found += rewards_of(online, records[done:stop])
        online, done = restored(LOAD, through_files(online.state())), stop
        assert online.last_ordinal == done
    found += rewards_of(online, records[done:])
    assert [reward.model_dump_json() for reward in found] == whole


@given(cut_places, st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_rewards_are_the_same_over_the_wire(cuts, seed):
    records = log(header(), SAMPLES, [(0, use()), *((onset, unit(onset, i)) for i, onset in enumerate(range(300 + seed, 5000, 400)))], cuts)
    here, there = OnlineDecoder(LOAD), OnlineDecoder(LOAD)
    wired = [decode_record(encode_record(record)) for record in records]
    assert [r.model_dump_json() for r in rewards_of(here, records)] == [r.model_dump_json() for r in rewards_of(there, wired)]


def alarming_logs():
    """Sessions that raise each alarm, with a release after it."""
    clean = np.random.default_rng(1).normal(scale=10, size=(N, len(NAMES))).astype(np.float32)
    broken = clean.copy()
    broken[1000:2500:30, 0] = 9000
    cold = fitted()
    cold = replace(cold, calibration=replace(cold.calibration, intercept=-6.0))
    units = [(onset, unit(onset, i)) for i, onset in enumerate(range(300, 5800, 40))]
    release = (4500, {"type": EventType.RELEASE})
    lost = [(start, start + 8) for start in range(1000, 5900, 100)]
    return {
        "rejected": (loader(fitted()), log(header(), broken, [(0, use()), *units, release], range(0, N, 50))),
        "lost": (loader(fitted()), log(header(), clean, [(0, use()), *units, release], range(0, N, 50), lost)),
        "odd_rate": (loader(cold), log(header(), clean, [(0, use()), *units, release], range(0, N, 50))),
    }


@pytest.mark.parametrize("what", ["rejected", "lost", "odd_rate"])
def test_alarms_go_on_after_a_restart_at_any_record(what):
    load, records = alarming_logs()[what]
    whole = [reward.model_dump_json() for reward in rewards_of(OnlineDecoder(load), records)]
    n_alarmed = sum('"release_reason":"alarm' in row for row in whole)
    assert 5 < n_alarmed < 130
    online, found = OnlineDecoder(load), []
    for start in range(0, len(records), 9):
        online = restored(load, through_files(online.state()))
        found += [reward.model_dump_json() for reward in rewards_of(online, records[start : start + 9])]
    assert found == whole


def test_holds_and_aborts_go_on_after_a_restart_at_every_record():
    release, hold = {"type": EventType.RELEASE}, {"type": EventType.HOLD, "text": "why"}
    placed = [
        *((0, fields) for fields in (use(), unit(400, 0), hold, unit(500, 1), release, unit(600, 2, presentation="second"))),
        (700, {"type": EventType.TRIAL_ABORTED, "presentation": "pres"}),
        *((700, fields) for fields in (unit(800, 3), hold, unit(900, 4, presentation="second"), unit(99_999, 5), unit(850, 11))),
        *((1200, fields) for fields in (unit(1200, 6, presentation="second"), use("other"), unit(1400, 7, presentation="third"), release)),
        (2000, unit(1900, 8, presentation="third")),
        (2500, {"type": EventType.TRIAL_ABORTED, "presentation": "third"}),
        (2600, unit(2600, 9, presentation="third")),
    ]
    # Lost: .7 % before a release, .8 % after it, together over the limit of 1 %.
    lost = [(start, start + 8) for start in (*range(1000, 1900, 70), *range(3000, 5000, 130))]
    placed += [(2700, unit(2650, 10, presentation="fourth")), (2900, release)]
    placed += [(onset, unit(onset, onset, presentation="fifth")) for onset in range(4900, 5600, 100)]
    records = log(header(), np.random.default_rng(3).normal(scale=10, size=(N, len(NAMES))).astype(np.float32), placed, range(0, N, 60), lost)
    whole = rewards_of(OnlineDecoder(LOAD), records)
    assert {(reward.release_reason or "ok").split(":")[0] for reward in whole} >= {"ok", "hold", "aborted presentation", "onset_unplaced"}
    online, steady = OnlineDecoder(LOAD), OnlineDecoder(LOAD)
    for record in records:
        online = restored(LOAD, through_files(online.state()))
        assert online.receive(record) == steady.receive(record)


def test_a_state_is_bound_to_its_decoder_and_version():
    online = OnlineDecoder(LOAD)
    rewards_of(online, log(header(), SAMPLES, [(0, use())], end=False))
    numbers, arrays = online.state()
    with pytest.raises(DecoderError, match="hash"):
        restored(loader(fitted(seed=9)), (numbers, arrays))
    with pytest.raises(DecoderError, match="no decoder hand@1"):
        restored(loader(), (numbers, arrays))
    with pytest.raises(DecoderError, match=r"version 'rlhb\.decoder-state\.v0'"):
        restored(LOAD, ({**numbers, "schema": "rlhb.decoder-state.v0"}, arrays))
    with pytest.raises(DecoderError, match="restore into a new one"):
        online.restore(numbers, arrays)


def test_a_refused_state_leaves_a_new_decoder():
    records = log(header(), SAMPLES, [(0, use()), (500, unit(450))], range(0, N, 100))
    online = OnlineDecoder(LOAD)
    rewards_of(online, records[:20])
    numbers, arrays = online.state()
    fresh = OnlineDecoder(loader(fitted(seed=9)))
    with pytest.raises(DecoderError):
        fresh.restore(numbers, arrays)
    whole = rewards_of(OnlineDecoder(loader(fitted(seed=9))), records)
    assert rewards_of(fresh, records) == whole
    assert len(whole) == 1
    assert fresh.statements == (fitted(seed=9).statement,)


def test_marks_of_right_and_wrong_have_no_place_in_the_log():
    """What is not in the log cannot reach a reward: a unit carries its text and place and the sign that was shown, nothing more."""
    fields = set(unit(100)["unit"].model_dump())
    assert fields == {"index", "text", "item_id", "response_id", "char_start", "char_end", "time_lock", "words", "marker", "step"}
    plain = log(header(), SAMPLES, [(0, use()), *((onset, unit(onset, i)) for i, onset in enumerate(range(300, 5000, 400)))])
    renamed = [r.model_copy(update={"unit": r.unit.model_copy(update={"text": "wrong"})}) if getattr(r, "unit", None) else r for r in plain]
    llrs = [[reward.llr for reward in rewards_of(OnlineDecoder(LOAD), records)] for records in (plain, renamed)]
    assert llrs[0] == llrs[1]
    assert any(llr is not None for llr in llrs[0])
