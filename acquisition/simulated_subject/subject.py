"""The simulated subject: units and their onsets in, EEG out; no clock, no socket, no file."""

from bisect import insort

import numpy as np
from numpy.typing import NDArray

from acquisition.simulated_subject.artifacts import Artifacts
from acquisition.simulated_subject.background import BrainNoise
from acquisition.simulated_subject.errors import SubjectError
from acquisition.simulated_subject.evoked import ENDS_S, STARTS_S, Answer, answer_to
from acquisition.simulated_subject.faults import Faults, FaultyWires
from acquisition.simulated_subject.head import make_head
from acquisition.simulated_subject.key import SubjectKey
from acquisition.simulated_subject.mind import Mind, Showing
from hardware_profiles import HardwareProfile
from messaging.records import UnitShown


class SimulatedSubject:
    """EEG of a subject who reads what it is shown.

    Parameters
    ----------
    profile : HardwareProfile
        Rate, channels (electrode names of the montage), reference and mains frequency.
    key : SubjectKey
        What is surprising or wrong, for this subject's eyes only.
    subject_seed : int
        Head, level of the background, tastes.
    run_seed : int
        Noise, blinks, noticing. Calibration and annotation of one subject take different ones.
    effect_scale : float
        Factor on all answers; 0 for a subject without effect. See `draw_effect_scale`.
    faults : Faults

    Raises
    ------
    SubjectError
        The effect scale is negative, or profile or faults name what this head does not have.

    Notes
    -----
    Output is a function of the arguments, the sample index and the units told, bit for bit, however generation is cut into calls.
    Time is stream time: sample i is taken at ``i / rate_hz`` seconds.
    """

    def __init__(
        self, profile: HardwareProfile, key: SubjectKey, subject_seed: int, run_seed: int, effect_scale: float = 1.0, faults: Faults | None = None
    ) -> None:
        if not effect_scale >= 0:
            raise SubjectError(f"effect_scale is {effect_scale}; give 0 (no effect) or more.")
        self.faults = faults if faults is not None else Faults()
        self.rate_hz = profile.sampling_rate_hz * (1 + self.faults.clock_drift_ppm * 1e-6)
        """Samples per second of stream time: the profile's rate and the clock's drift."""
        self.position = 0
        """Index of the sample that `generate` gives next."""
        self.late_units = 0
        """Units told after their answer should have started; they lost the part that was generated already."""
        self._started_at = 0
        self._effect_scale = effect_scale
        self._seeds = (subject_seed, run_seed)
        self._mind = Mind(key, subject_seed, run_seed)
        head = make_head(profile, subject_seed)
        self._topographies = (head.errp, head.n400, head.blink)
        self._noise = BrainNoise(head, profile.sampling_rate_hz, subject_seed, run_seed)
        self._artifacts = Artifacts(head.blink, self.rate_hz, profile.mains_hz, subject_seed, run_seed)
        self._wires = FaultyWires(self.faults, profile.channel_names, self.rate_hz, subject_seed, run_seed)
        self._told: set[tuple[str, int]] = set()
        self._waiting: list[Showing] = []
        self._running: list[Answer] = []
        self._kept_block: tuple[int, NDArray[np.float64]] | None = None

    def perceive(self, presentation: str, unit: UnitShown, onset_s: float) -> None:
        """Tell the subject that a unit appeared on the screen.

        Parameters
        ----------
        presentation : str
            Identity of this showing of the response.
        unit : UnitShown
        onset_s : float
            Stream time of the frame. It may lie in the future, or up to 40 ms (`evoked.STARTS_S`) before the newest sample without
            any loss; later, the part of the answer that was generated already is missing and `late_units` counts it. What is most
            of an answer (the ErrP's peaks, the N400) starts 250 ms after the onset.

        Notes
        -----
        Units may be told in any order; a unit told twice (same presentation and index) counts once. After `seek`, tell again what
        was shown before: it counts as seen, and answers that reach into the present go on.
        """
        identity = (presentation, unit.index)
        if identity in self._told:
            return
        self._told.add(identity)
        self._waiting.append(self._mind.see(presentation, unit, onset_s))
        if self._started_at <= (onset_s + STARTS_S) * self.rate_hz < self.position:
            self.late_units += 1

    def perceived(self, presentation: str, unit: UnitShown) -> bool:
        """Whether the subject notices this unit as an error; for evaluation only, nothing in the service may ask."""
        return self._mind.judge(presentation, unit)[0]

    def generate(self, n_samples: int) -> NDArray[np.float32]:
        """Give the next samples.

        Parameters
        ----------
        n_samples : int
            0 or more.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_channels), microvolt
            In the order of the profile's channels. Samples that are `dropped` are in it; a board leaves them out.

        Raises
        ------
        SubjectError
            `n_samples` is negative.
        """
        if n_samples < 0:
            raise SubjectError(f"n_samples is {n_samples}; give 0 or more.")
        first, end = self.position, self.position + n_samples
        eeg_uv = self._background(first, end)
        self._start_answers(end)
        for answer in self._running:
            self._add(eeg_uv, answer, first, end)
        self._running = [answer for answer in self._running if answer.end_sample > end]
        self._wires.apply(eeg_uv)
        self.position = end
        return eeg_uv.astype(np.float32)

    def seek(self, sample_index: int) -> None:
        """Go on at another sample, as after a restart; what was told before is forgotten and may be told again.

        Raises
        ------
        SubjectError
            The index is negative.
        """
        if sample_index < 0:
            raise SubjectError(f"sample_index is {sample_index}; samples are counted from 0.")
        self.position = self._started_at = sample_index
        self.late_units = 0
        self._mind = self._mind.fresh()
        self._told, self._waiting, self._running = set(), [], []

    def dropped(self, first_sample: int, n_samples: int) -> NDArray[np.int64]:
        """Indices among ``first_sample … first_sample + n_samples - 1`` that the board loses (faults), ascending."""
        return self._wires.dropped(first_sample, n_samples)

    def _background(self, first: int, end: int) -> NDArray[np.float64]:
        """Brain noise and artifacts of a stretch, out of whole blocks: parts of a block may round differently."""
        size = self._noise.block_samples
        out = np.empty((end - first, len(self._topographies[0])))
        at = first
        while at < end:
            number = at // size
            if self._kept_block is None or self._kept_block[0] != number:
                self._kept_block = (number, self._noise.block(number) + self._artifacts.block(number, size))
            upto = min(end, (number + 1) * size)
            out[at - first : upto - first] = self._kept_block[1][at - number * size : upto - number * size]
            at = upto
        return out

    def _start_answers(self, end: int) -> None:
        """Work out the answers that start before `end`; only now, when all that was shown before them has been told."""
        due = [showing for showing in self._waiting if (showing.onset_s + STARTS_S) * self.rate_hz < end]
        if not due:
            return
        self._waiting = [showing for showing in self._waiting if (showing.onset_s + STARTS_S) * self.rate_hz >= end]
        for showing in due:
            if (showing.onset_s + ENDS_S) * self.rate_hz >= self.position:
                insort(
                    self._running,
                    answer_to(showing, self._mind.strength(showing), self._effect_scale, self.rate_hz, self._seeds),
                    key=lambda answer: answer.order,
                )

    def _add(self, eeg_uv: NDArray[np.float64], answer: Answer, first: int, end: int) -> None:
        start, stop = max(first, answer.first_sample), min(end, answer.end_sample)
        if start >= stop:
            return
        part = answer.courses_uv[start - answer.first_sample : stop - answer.first_sample]
        for course, topography in zip(part.T, self._topographies, strict=True):
            eeg_uv[start - first : stop - first] += course[:, None] * topography
