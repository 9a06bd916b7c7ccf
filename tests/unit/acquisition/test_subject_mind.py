"""What the simulated subject perceives, and how strongly it answers."""

import numpy as np
import pytest

from acquisition.simulated_subject import ResponseKey, SubjectKey, draw_effect_scale
from acquisition.simulated_subject.evoked import answer_to
from acquisition.simulated_subject.mind import SIGN_FACTOR, Mind, Showing
from messaging.records import MarkerShown, UnitShown
from messaging.words import Polarity

N = 4000
KEY = SubjectKey({"long": ResponseKey((5.0,) * (3 * N), frozenset(range(2 * N)), frozenset(range(N, 2 * N)))})


def unit(index: int, response_id: str | None = "long") -> UnitShown:
    return UnitShown(index=index, text="word", response_id=response_id)


def rate(mind: Mind, indices: range, response_id: str | None = "long") -> float:
    return float(np.mean([mind.judge("p", unit(i, response_id))[0] for i in indices]))


@pytest.mark.parametrize(
    ("indices", "response_id", "p"),
    [
        (range(N), "long", 0.04 * 0.05 + 0.96 * 0.8),
        (range(N, 2 * N), "long", 0.04 * 0.05 + 0.96 * 0.5),
        (range(2 * N, 3 * N), "long", 0.02 * 0.5 + 0.98 * 0.05),
        (range(N), "unknown", 0.05),
        (range(N), None, 0.05),
    ],
)
def test_units_are_noticed_as_often_as_stated(indices: range, response_id: str | None, p: float) -> None:
    mind = Mind(KEY, subject_seed=2, run_seed=5)
    assert abs(rate(mind, indices, response_id) - p) < 4 * np.sqrt(p * (1 - p) / N)


def test_tastes_belong_to_the_subject_and_noticing_to_the_run() -> None:
    runs = [Mind(KEY, 2, run_seed) for run_seed in range(30)]
    noticed = np.array([[mind.judge("p", unit(i))[0] for i in range(200)] for mind in runs]).mean(axis=0)
    private = noticed < 0.3  # in every run: not luck, at p = .8 that has probability 1e-9
    assert 1 <= private.sum() <= 20
    other = np.array([[mind.judge("p", unit(i))[0] for i in range(200)] for mind in (Mind(KEY, 3, r) for r in range(30))]).mean(axis=0)
    assert np.any((other < 0.3) != private)


def test_repetition_refractoriness_and_fatigue() -> None:
    mind = Mind(SubjectKey({"r": ResponseKey((4.0,) * 3)}), 1, 1)

    def seen(presentation: str, onset_s: float) -> Showing:
        index = next(i for i in range(500) if not mind.judge(presentation, unit(i, "r"))[0])
        return mind.see(presentation, unit(index, "r"), onset_s)

    fourth, first, third, second = (seen(p, t) for p, t in (("d", 300.0), ("a", 0.0), ("c", 200.0), ("b", 100.0)))
    fatigue = [0.8 ** (t / 3600) for t in (0, 100, 200, 300)]
    assert [mind.strength(s) / f for s, f in zip((first, second, third, fourth), fatigue, strict=True)] == pytest.approx([1.0, 0.6, 0.4, 0.4])
    fresh = mind.fresh()
    index = next(i for i in range(500) if fresh.judge("x", unit(i, None))[0])
    assert fresh.see("x", unit(index, None), 3600.0).noticed
    after = [fresh.see("y", unit(900 + i, None), t) for i, t in enumerate((3599.9, 3600.4, 3600.6, 7200.0))]
    assert [fresh.strength(s) for s in after] == pytest.approx([0.8, 0.4, 0.8, 0.64], rel=1e-3)


def answers(noticed: bool, effect_scale: float) -> np.ndarray:
    """Mean courses (n_samples, 3) of 2000 answers to words of 10 bits, from the onset, at 250 Hz."""
    found = np.zeros((260, 3))
    for i in range(2000):
        answer = answer_to(Showing(0.0, f"p{i}", 0, "r", 10.0, noticed), 1.0, effect_scale, 250.0, (1, 1))
        found[answer.first_sample : answer.end_sample] += answer.courses_uv
    return found / 2000


def test_a_noticed_error_shows_three_peaks_and_any_word_an_n400() -> None:
    noticed, right = answers(True, 1.0), answers(False, 1.0)
    errp, n400 = noticed[:, 0], right[:, 1]
    at = [round(ms * 0.25) for ms in (180, 400, 640)]
    assert errp[at] == pytest.approx([-3.0, 9.0, -9.0], rel=0.25)  # jitter flattens the mean
    assert np.argmin(errp[:70]) / 0.25 == pytest.approx(180, abs=16)
    assert np.argmax(errp) / 0.25 == pytest.approx(400, abs=16)
    assert np.argmin(errp) / 0.25 == pytest.approx(640, abs=16)
    assert np.argmin(n400) / 0.25 == pytest.approx(400, abs=20)
    assert n400.min() < -1.5
    assert not right[:, [0, 2]].any()
    assert noticed[:, 2].max() > 5


def test_the_effect_scale_scales_answers_and_zero_removes_them() -> None:
    full, weak = answers(True, 1.0), answers(True, 0.35)
    assert weak[:, 0] == pytest.approx(0.35 * full[:, 0])
    assert 0 < weak[:, 2].max() < 0.5 * full[:, 2].max()
    assert not answers(True, 0.0).any()


def test_effect_scales_of_a_population() -> None:
    scales = np.array([draw_effect_scale(seed) for seed in range(4000)])
    assert abs(np.mean(scales == 0) - 2 / 16) < 0.02
    some = np.log(scales[scales > 0])
    assert abs(np.median(some)) < 0.05
    assert abs(np.std(some) - 0.52) < 0.04


def sign(first_word: int, end_word: int, polarity: Polarity) -> UnitShown:
    marker = MarkerShown(polarity=polarity, source="drawn")
    return UnitShown(index=first_word, text="phrase", response_id="long", words=(first_word, end_word), marker=marker)


@pytest.mark.parametrize(
    ("words", "p_wrong"),
    [
        (range(0, N, 3), 0.04 * 0.05 + 0.96 * 0.8),  # wrong words
        (range(N, 2 * N - 3, 3), 0.04 * 0.05 + 0.96 * 0.5),  # all of them subtle
        (range(2 * N, 3 * N - 3, 3), 0.02 * 0.5 + 0.98 * 0.05),  # right ones
    ],
)
def test_what_is_noticed_of_a_sign_is_that_it_contradicts_the_subject(words: range, p_wrong: float) -> None:
    mind = Mind(KEY, subject_seed=2, run_seed=5)
    accepted = np.array([mind.judge("p", sign(k, k + 3, Polarity.ACCEPT))[0] for k in words])
    rejected = np.array([mind.judge("p", sign(k, k + 3, Polarity.REJECT))[0] for k in words])
    assert abs(accepted.mean() - p_wrong) < 4 * np.sqrt(p_wrong * (1 - p_wrong) / len(words))
    assert (accepted != rejected).all()  # one opinion of a phrase, whatever the sign says


def test_a_sign_has_no_surprisal_of_its_own_and_is_answered_more_strongly_than_a_word() -> None:
    mind = Mind(KEY, 2, 5)
    shown = sign(0, 3, Polarity.ACCEPT)
    assert mind.judge("p", shown)[1] == 0.0
    assert mind.judge("p", shown.model_copy(update={"marker": None}))[1] == 5.0
    assert mind.strength(mind.see("p", shown, 0.0)) == SIGN_FACTOR * Mind(KEY, 2, 5).strength(Mind(KEY, 2, 5).see("p", unit(0, None), 0.0))
