"""The simulated subject as a generator: same samples however they are asked for, and only what was shown changes them."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acquisition.simulated_subject import ResponseKey, SimulatedSubject, SubjectError, SubjectKey, SubjectProfileError
from acquisition.simulated_subject.evoked import STARTS_S
from hardware_profiles import HardwareProfile, load_profile
from messaging.records import UnitShown

PROFILE = load_profile("simulated_subject")
KEY = SubjectKey({f"r{i}": ResponseKey((2.0, 9.0, 4.0, 14.0, 6.0, 3.0), frozenset({1, 3})) for i in range(6)})
Shown = tuple[str, UnitShown, float]


def shown(n_responses: int = 6, soa_s: float = 0.45) -> list[Shown]:
    """Every unit of the first responses, one after the other from 0.5 s on."""
    units = [(f"p{i}", UnitShown(index=k, text="word", response_id=f"r{i}")) for i in range(n_responses) for k in range(6)]
    return [(presentation, unit, 0.5 + n * soa_s) for n, (presentation, unit) in enumerate(units)]


def subject(key: SubjectKey = KEY, told: list[Shown] | None = None, **options: Any) -> SimulatedSubject:
    simulated = SimulatedSubject(PROFILE, key, options.pop("subject_seed", 3), options.pop("run_seed", 7), **options)
    for presentation, unit, onset_s in told or []:
        simulated.perceive(presentation, unit, onset_s)
    return simulated


def generate(n_samples: int, key: SubjectKey = KEY, told: list[Shown] | None = None, **options: Any) -> NDArray[np.float32]:
    return subject(key, told, **options).generate(n_samples)


WHOLE = generate(5000, told=shown())


def test_samples_have_the_profiles_shape() -> None:
    assert WHOLE.shape == (5000, 16)
    assert WHOLE.dtype == np.float32
    assert np.all(np.isfinite(WHOLE))
    assert subject().generate(0).shape == (0, 16)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 5000), max_size=8))
def test_cutting_generation_into_calls_changes_no_bit(cuts: list[int]) -> None:
    simulated = subject(told=shown())
    edges = [0, *sorted(cuts), 5000]
    parts = [simulated.generate(b - a) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), WHOLE)


def test_units_told_just_in_time_give_the_same_as_units_told_ahead() -> None:
    simulated, waiting, parts = subject(), shown(), []
    while simulated.position < 5000:
        while waiting and waiting[0][2] * 250 < simulated.position + 8:
            simulated.perceive(*waiting.pop(0))
        parts.append(simulated.generate(8))
    assert simulated.late_units == 0
    assert np.array_equal(np.concatenate(parts), WHOLE)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(36)))
def test_the_order_of_telling_does_not_matter(order: list[int]) -> None:
    told = shown()
    assert np.array_equal(generate(5000, told=[told[i] for i in order]), WHOLE)


def test_a_unit_told_twice_counts_once() -> None:
    assert np.array_equal(generate(5000, told=shown() + shown()), WHOLE)


@pytest.mark.parametrize("index", [0, 1, 999, 1000, 3333])
def test_after_seek_the_samples_go_on(index: int) -> None:
    simulated = subject(told=shown())
    simulated.generate(123)
    simulated.seek(index)
    for told in shown():
        simulated.perceive(*told)
    assert np.array_equal(simulated.generate(5000 - index), WHOLE[index:])
    assert simulated.late_units == 0


def test_a_unit_told_late_loses_only_what_was_generated() -> None:
    told = shown(1)[1]
    late = subject()
    onset_sample = round(told[2] * 250)
    before = late.generate(onset_sample + 38)  # 152 ms after the onset
    late.perceive(*told)
    after = late.generate(1000)
    in_time = generate(onset_sample + 1038, told=[told])
    assert late.late_units == 1
    assert np.array_equal(before, generate(onset_sample + 38))
    assert np.array_equal(after, in_time[onset_sample + 38 :])


def test_scrambled_marks_change_only_the_answers_to_units_that_are_now_perceived_otherwise() -> None:
    scrambled = SubjectKey({name: ResponseKey(r.surprisal_bits, frozenset({0, 4})) for name, r in KEY.responses.items()})
    told = shown()
    first, second = subject(told=told), subject(scrambled, told)
    changed = [onset_s for p, unit, onset_s in told if first.perceived(p, unit) != second.perceived(p, unit)]
    assert changed
    differs = np.any(first.generate(5000) != second.generate(5000), axis=1)
    reached = np.zeros(5000, dtype=bool)
    for onset_s in changed:  # the answer itself, and the refractory period that follows a noticed error
        reached[round((onset_s + STARTS_S) * 250) : round((onset_s + 1.6) * 250)] = True
    assert differs.any()
    assert not np.any(differs & ~reached)
    assert np.array_equal(generate(5000), generate(5000, scrambled))


def test_without_effect_what_is_shown_makes_no_difference() -> None:
    assert np.array_equal(generate(5000, told=shown(), effect_scale=0.0), generate(5000))
    assert not np.array_equal(WHOLE, generate(5000))


def test_seeds_decide() -> None:
    assert np.array_equal(WHOLE, generate(5000, told=shown()))
    for options in ({"run_seed": 8}, {"subject_seed": 4}):
        other = generate(5000, told=shown(), **options)
        assert abs(np.corrcoef(other[:, 7], WHOLE[:, 7])[0, 1]) < 0.6
        assert not np.any(np.all(other == WHOLE, axis=1))


def test_other_profiles_work_and_wrong_ones_are_named() -> None:
    def profile(names: list[str], **fields: Any) -> HardwareProfile:
        return HardwareProfile.model_validate(
            {**PROFILE.model_dump(), "channels": [{"name": n, "kind": "trigger" if n == "TRIG" else "eeg"} for n in names], **fields}
        )

    eeg = SimulatedSubject(profile(["Cz", "O1", "TRIG"], sampling_rate_hz=500, reference="average"), KEY, 1, 1).generate(3000)
    assert eeg.shape == (3000, 3)
    with pytest.raises(SubjectProfileError, match="ch1 is no electrode of the montage 'standard_1005'"):
        SimulatedSubject(profile(["Cz", "ch1"]), KEY, 1, 1)
    with pytest.raises(SubjectProfileError, match="nose is no electrode"):
        SimulatedSubject(profile(["Cz"], reference="nose"), KEY, 1, 1)
    with pytest.raises(SubjectProfileError, match="montage 'moon'"):
        SimulatedSubject(profile(["Cz"], montage="moon"), KEY, 1, 1)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(SubjectError, match="effect_scale is -1"):
        subject(effect_scale=-1.0)
    with pytest.raises(SubjectError, match="n_samples is -1"):
        subject().generate(-1)
    with pytest.raises(SubjectError, match="sample_index is -5"):
        subject().seek(-5)
