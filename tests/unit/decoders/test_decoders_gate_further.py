"""The further lines of the gate, on sessions whose truth is known, and on real ones."""

from pathlib import Path

import numpy as np
import pytest

from decoders.crossvalidation import nested
from decoders.fitted import GateLine
from decoders.gate import FURTHER_LINES, FurtherLimits, Line, Verdict, further_lines, judge
from decoders.gate.increment import increment_of
from decoders.gate.lexical import lexical_line
from decoders.gate.ocular import ocular_channels
from decoders.lda import ShrinkageLDA
from decoders.pipelines import candidate_specs, pipeline_named
from decoders.sessions import TrainingSession, Word, training_session
from decoders.trials import FilteredSessions
from messaging.words import Signal
from tests.reference.training_sessions import real_session

RATE_HZ = 250.0
NAMES = ("Fp1", "Fp2", "Fz", "C3", "Cz", "C4", "Pz", "Oz")
BRAIN = np.array([0, 0, 1, 0.6, 1, 0.6, 0.5, 0])
EYES = np.array([1, 1, 0.4, 0.1, 0.15, 0.1, 0.05, 0])


def session(topography: np.ndarray, uv: float, *, seed: int = 0, delay: int = 75, first: str = "Fp1") -> TrainingSession:
    """Noise, and after positive onsets a bump of one topography; a `delay` in samples, negative before the onset."""
    rng = np.random.default_rng(seed)
    n, soa = 240, 500
    samples = 5 * rng.standard_normal((n * soa + 1500, len(NAMES)))
    onsets = 700 + soa * np.arange(n)
    positive = np.zeros(n, dtype=bool)
    positive[rng.permutation(n)[:80]] = True
    for onset in onsets[positive]:
        samples[onset + delay : onset + delay + 50] += uv * np.hanning(50)[:, np.newaxis] * topography
    names = (first, *NAMES[1:])
    return training_session(samples.astype(np.float32), RATE_HZ, names, onsets, positive, sha256=f"{seed:064x}", recording_id=f"drawn-{seed}")


def lines_of(one: TrainingSession, channels: tuple[str, ...] | None = None, rejected_fraction: float = 0.0) -> dict[str, GateLine]:
    spec = candidate_specs(pipeline_named("lda"), Signal.RELEVANCE, "t", None, one.sampling_rate_hz, channels or one.channel_names)[0]
    store = FilteredSessions([one])
    trials = store.trials(spec)
    judged = trials.subset(trials.kept)
    llr = nested([judged], [ShrinkageLDA]).llr
    return {line.name: line for line in further_lines(store, spec, judged, llr, rejected_fraction=rejected_fraction)}


def test_a_clean_effect_passes_every_line_that_can_be_assessed():
    lines = lines_of(session(BRAIN, 6.0))
    assert list(lines) == list(FURTHER_LINES)
    assert {name for name, line in lines.items() if line.verdict != Verdict.PASSED} == {Line.LEXICAL}
    assert lines[Line.LEXICAL].verdict == Verdict.NOT_ASSESSABLE


def blinking(one: TrainingSession, seed: int = 3) -> TrainingSession:
    """Add blinks of varying size: at random times all through, and after six in ten of the positive onsets."""
    rng = np.random.default_rng(seed)
    samples = one.samples.astype(np.float64)
    answered = one.onset_samples[one.positive & (rng.random(len(one.positive)) < 0.6)] + 75
    for start in [*answered, *rng.integers(0, len(samples) - 50, 300)]:
        samples[start : start + 50] += rng.uniform(60, 140) * np.hanning(50)[:, np.newaxis] * EYES
    return training_session(samples.astype(np.float32), RATE_HZ, NAMES, one.onset_samples, one.positive, sha256="0" * 64, recording_id="blinking")


def test_blinks_that_follow_the_class_fail_the_ocular_line():
    assert lines_of(blinking(session(BRAIN, 0.0)), channels=NAMES[2:])[Line.OCULAR].verdict == Verdict.FAILED


def test_eyes_that_move_in_one_class_only_and_always_alike_are_not_found_by_the_ocular_line():
    # nothing is left of them once the class means are gone, so no coefficient is learnt: a known limit of the regression
    line = lines_of(session(EYES, 40.0), channels=NAMES[2:])[Line.OCULAR]
    assert line.verdict == Verdict.PASSED
    assert line.value is not None
    assert line.value > 0.9


def test_without_ocular_channels_the_ocular_line_is_not_assessable():
    assert lines_of(session(BRAIN, 6.0), channels=NAMES[2:])[Line.OCULAR].verdict == Verdict.PASSED
    assert ocular_channels(("Fz", "FPz", "Cz")) == ()
    assert ocular_channels(("Fp1", "VEOG", "Cz")) == ("VEOG",)


def test_an_effect_that_is_largest_next_to_the_eyes_fails_the_pattern():
    assert lines_of(session(EYES, 40.0))[Line.PATTERN].verdict == Verdict.FAILED


def test_a_difference_before_the_onset_fails_pattern_and_moved_windows():
    both = session(BRAIN, 6.0, delay=-45)
    after = session(BRAIN, 6.0)
    mixed = training_session(both.samples + after.samples, RATE_HZ, NAMES, both.onset_samples, both.positive, sha256="0" * 64, recording_id="mixed")
    assert lines_of(mixed)[Line.PATTERN].verdict == Verdict.FAILED
    early = training_session(
        after.samples + session(BRAIN, 12.0, delay=-160).samples, RATE_HZ, NAMES, after.onset_samples, after.positive, sha256="0" * 64, recording_id="early"
    )
    assert lines_of(early)[Line.CONTROLS].verdict == Verdict.FAILED


def test_more_than_a_fifth_of_rejected_windows_fails():
    one = session(BRAIN, 6.0)
    assert lines_of(one, rejected_fraction=0.2)[Line.REJECTED].verdict == Verdict.PASSED
    assert lines_of(one, rejected_fraction=0.21)[Line.REJECTED].verdict == Verdict.FAILED


def words_and_truth(seed: int = 0) -> tuple[list[Word], np.ndarray]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 12, 400)
    positive = rng.random(400) < 1 / (1 + np.exp(-(lengths - 8.0)))
    return [Word("abcdefghijklm"[:length], f"s{k // 8}", k % 8) for k, length in enumerate(lengths)], positive


def test_llr_that_follows_the_length_of_words_fails_and_llr_that_follows_the_truth_passes():
    words, positive = words_and_truth()
    rng = np.random.default_rng(1)
    length = np.array([len(word.text) for word in words], dtype=float)
    follows_length, follows_truth = 0.5 * (length - length.mean()) + rng.standard_normal(400), 1.5 * positive + rng.standard_normal(400)
    line = lexical_line(words, follows_length, positive, FurtherLimits())
    assert line.verdict == Verdict.FAILED
    assert "Words alone" in line.sentence
    assert lexical_line(words, follows_truth, positive, FurtherLimits()).verdict == Verdict.PASSED
    assert lexical_line(words[:-1], follows_truth, positive, FurtherLimits()).verdict == Verdict.NOT_ASSESSABLE


def test_an_increment_of_noise_is_found_as_rarely_as_its_p_says_and_never_for_the_wrong_sign():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(100):
        positive = rng.random(200) < 0.3
        found.append(increment_of(rng.standard_normal(200), positive, rng.standard_normal((200, 2)), np.arange(200) // 10).p)
    assert np.mean(np.array(found) < 0.05) <= 0.12
    positive = np.arange(200) < 60
    assert increment_of(-2.0 * positive + rng.standard_normal(200), positive, rng.standard_normal((200, 1)), np.arange(200)).p > 0.99


def test_a_failed_further_line_holds_and_one_that_cannot_be_assessed_does_not():
    rng = np.random.default_rng(1)
    positive = np.arange(300) < 100
    llr, blocks = rng.standard_normal(300) * 1.4 + 2 * (positive - 0.5), np.zeros(300, dtype=np.int64)
    failed = GateLine(Line.OCULAR, Verdict.FAILED, 0.8, 0.55, "eyes")
    open_question = GateLine(Line.OCULAR, Verdict.NOT_ASSESSABLE, None, None, "no eyes")
    assert not judge(llr, positive, blocks, further=[failed]).released
    verdict = judge(llr, positive, blocks, further=[open_question])
    assert verdict.released
    assert open_question in verdict.lines


@pytest.mark.parametrize("subject", ["sub-01", "sub-02", "sub-03"])
def test_no_line_fails_on_a_real_speller(recordings_dir: Path, subject: str):
    one = real_session(recordings_dir / f"gtec_p300_speller/{subject}_task-p300_raw.fif", "target", "nontarget")
    assert not [line for line in lines_of(one).values() if line.verdict == Verdict.FAILED]


def test_real_eog_alone_tells_a_stimulus_from_a_button_press(recordings_dir: Path):
    one = real_session(recordings_dir / "eeglab_sample/eeglab_data_raw.fif", "square", "rt")
    line = lines_of(one)[Line.OCULAR]
    assert "EOG1, EOG2" in line.sentence
    assert line.value is not None
    assert line.value > 0.55
