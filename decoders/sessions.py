"""A recording to learn from: samples, onsets with their class, chronological blocks; and what makes one unfit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.offline import Segment
from decoders.spec import FitError

N_BLOCKS = 5
_IDENTICAL = 1e-3
"""Two channels whose difference is less than this part of their own spread are one electrode recorded twice."""
_IMPOSSIBLE_UV = 200.0
"""Robust standard deviation (1.48 x median absolute difference of neighbours in time); scalp EEG stays under 50."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a unit was, apart from its class."""

    text: str
    item: str
    """Sentence or response it belongs to; units of one item are not independent."""
    position: int
    """In its item, from 0."""
    surprisal_bits: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingSession:
    """One recording with the truth of its onsets. Build it with `training_session`, which checks and sorts."""

    samples: NDArray[np.float32]
    """(n_rows, n_channels), microvolt, EEG channels only."""
    sampling_rate_hz: float
    channel_names: tuple[str, ...]
    onset_samples: NDArray[np.int64]
    """(n_onsets,) sample indices, ascending."""
    positive: NDArray[np.bool_]
    """(n_onsets,)."""
    blocks: NDArray[np.int64]
    """(n_onsets,), chronological: never descending."""
    sha256: str
    """Content hash of the recording."""
    recording_id: str
    subject: str = ""
    """Pseudonym; empty: not known."""
    segments: tuple[Segment, ...] = ()
    """(sample_index, row, n_rows) of pieces without a gap; empty: one piece from sample 0."""
    words: tuple[Word | None, ...] = ()
    """(n_onsets,) what each unit was, None for what is no word; empty: the recording does not say."""


def contiguous_blocks(n_onsets: int, n_blocks: int = N_BLOCKS) -> NDArray[np.int64]:
    """Cut onsets in chronological order into blocks of equal count; returns the block of each, numbered from 0."""
    return np.arange(n_onsets, dtype=np.int64) * n_blocks // max(n_onsets, 1)


def training_session(
    samples: NDArray[np.float32],
    sampling_rate_hz: float,
    channel_names: tuple[str, ...],
    onset_samples: NDArray[np.int64],
    positive: NDArray[np.bool_],
    *,
    sha256: str,
    recording_id: str,
    subject: str = "",
    segments: tuple[Segment, ...] = (),
    blocks: NDArray[np.int64] | int = N_BLOCKS,
    words: Sequence[Word | None] = (),
) -> TrainingSession:
    """Check and sort what was read from a recording.

    Parameters
    ----------
    samples : (n_rows, n_channels) float32
        Microvolt, EEG channels only.
    sampling_rate_hz : float
    channel_names : tuple of str
    onset_samples : (n_onsets,) int64
        Any order; equal onsets of different class are refused.
    positive : (n_onsets,) bool
    sha256, recording_id, subject : str
    segments : tuple of (sample_index, row, n_rows)
    blocks : (n_onsets,) int64, or int
        Chronological blocks, or into how many blocks of equal count to cut.
    words : sequence of Word or None
        (n_onsets,) what each unit was; empty: not known.

    Raises
    ------
    FitError
        Shapes disagree, there is no onset, an onset is outside the recording or doubled, or blocks are not chronological.
    """
    onsets, marks = np.asarray(onset_samples, dtype=np.int64), np.asarray(positive, dtype=np.bool_)
    _check_shapes(samples, channel_names, onsets, marks)
    order = np.argsort(onsets, kind="stable")
    onsets, marks = onsets[order], marks[order]
    pieces = segments or ((0, 0, len(samples)),)
    first, end = pieces[0][0], pieces[-1][0] + pieces[-1][2]
    outside = np.flatnonzero((onsets < first) | (onsets >= end))
    if len(outside):
        raise FitError(
            f"{len(outside)} of {len(onsets)} events lie outside the recording, the first at sample {int(onsets[outside[0]])}"
            f" (samples {first} to {end}). Events and samples are of different recordings or rates."
        )
    if (np.diff(onsets) == 0).any():
        raise FitError(f"Two events share sample {int(onsets[:-1][np.diff(onsets) == 0][0])}; name descriptions that exclude each other.")
    cut = contiguous_blocks(len(onsets), blocks) if isinstance(blocks, int) else np.asarray(blocks, dtype=np.int64)[order]
    if (np.diff(cut) < 0).any():
        raise FitError("Blocks go back in time; number them in the order they were recorded.")
    return TrainingSession(
        samples=np.asarray(samples, dtype=np.float32),
        sampling_rate_hz=float(sampling_rate_hz),
        channel_names=tuple(channel_names),
        onset_samples=onsets,
        positive=marks,
        blocks=cut,
        sha256=sha256,
        recording_id=recording_id,
        subject=subject,
        segments=tuple(segments),
        words=tuple(words[k] for k in order) if words else (),
    )


def _check_shapes(samples: NDArray[np.float32], channel_names: tuple[str, ...], onsets: NDArray[np.int64], positive: NDArray[np.bool_]) -> None:
    if samples.ndim != 2 or samples.shape[1] != len(channel_names) or not len(samples):
        raise FitError(f"Samples of shape {samples.shape} do not fit {len(channel_names)} channel names; give (n_samples, n_channels).")
    if len(onsets) != len(positive):
        raise FitError(f"{len(onsets)} onsets but {len(positive)} classes; give one class per onset.")
    if not len(onsets):
        raise FitError("The recording holds no event of either class; check the descriptions given as positive and negative.")


def check_signal(session: TrainingSession, channel_names: tuple[str, ...]) -> None:
    """Refuse a recording whose channels cannot be separate scalp electrodes.

    Parameters
    ----------
    session : TrainingSession
    channel_names : tuple of str
        The channels that are to be used.

    Raises
    ------
    FitError
        Channels are copies of each other, or most have amplitudes no scalp has. The message names them.
    """
    columns = [session.channel_names.index(name) for name in channel_names]
    # differences of neighbouring samples: offset and drift of the electrodes do not count
    steps = np.diff(session.samples[:, columns].astype(np.float64), axis=0)
    steps = steps[np.isfinite(steps).all(axis=1)]
    if not len(steps):
        raise FitError(f"Recording {session.recording_id} has no two successive samples that are numbers; it cannot be used.")
    copies = _copies(steps, channel_names)
    if copies:
        raise FitError(
            f"Recording {session.recording_id}: channels {'; '.join(copies)} are identical. A covariance of copies is singular:"
            " check the montage, or leave all but one out."
        )
    spread = 1.4826 * np.median(np.abs(steps), axis=0)
    loud = [f"{name} {value:.3g} uV" for name, value in zip(channel_names, spread, strict=True) if value > _IMPOSSIBLE_UV]
    if 2 * len(loud) > len(channel_names):
        raise FitError(
            f"Recording {session.recording_id}: from one sample to the next the amplitude changes by {', '.join(loud)}"
            f" (limit {_IMPOSSIBLE_UV:g} uV). No scalp does that: check the unit (volt or microvolt) and the electrodes."
        )


def _copies(steps: NDArray[np.float64], channel_names: tuple[str, ...]) -> list[str]:
    spread = steps.std(axis=0)
    groups: list[list[int]] = []
    for c in range(len(channel_names)):
        for group in groups:
            if spread[c] > 0 and (steps[:, c] - steps[:, group[0]]).std() <= _IDENTICAL * spread[c]:
                group.append(c)
                break
        else:
            groups.append([c])
    return [" = ".join(channel_names[c] for c in group) for group in groups if len(group) > 1]
