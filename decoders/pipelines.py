"""Named pipelines: which settings to try for a signal and montage, and the classifier behind them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from decoders.lda import ShrinkageLDA
from decoders.plugins import plugin_estimators
from decoders.scorers import Scorer
from decoders.spec import ArtifactRules, DecoderSpec, FitError, Preprocessing, WindowSpec
from messaging.words import Signal

MAX_CHANNELS = 8
"""With the few hundred trials of a calibration more electrodes add more noise than signal."""

_MIDLINE_FIRST = (
    "Cz", "FCz", "Pz", "Fz", "CPz", "POz", "C3", "C4", "Oz", "P3", "P4", "PO7", "PO8", "FC1", "FC2", "CP1", "CP2", "P7", "P8", "F3", "F4", "O1", "O2",
)  # fmt: skip
"""Order in which channels are taken where there are more than `MAX_CHANNELS`: where the signals of SCIENCE are largest."""


class Classifier(Protocol):
    """What a pipeline needs of a classifier; scikit-learn's verbs."""

    def fit(self, X: NDArray[np.float64], y: NDArray[np.bool_]) -> Any:  # noqa: N803
        """Learn from (n_trials, n_features) and (n_trials,)."""
        ...

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803
        """Score (n_trials, n_features); larger means positive."""
        ...


class Transfer(StrEnum):
    """What is done for a recording that a decoder was not fitted on."""

    AS_RECORDED = "as recorded"
    ALIGNED = "aligned"
    """Whitened with its own covariance so far (`decoders.alignment`)."""
    ADAPTIVE = "adaptive"
    """Aligned, and the discriminant follows it without labels (`decoders.adaptation`)."""


@dataclass(frozen=True, slots=True)
class Band:
    """Settings to try: band, span and step of the windows."""

    highpass_hz: float
    lowpass_hz: float
    start_ms: float
    end_ms: float
    step_ms: float


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A classifier and its settings."""

    name: str
    title: str
    bands: dict[Signal, tuple[Band, ...]]
    """Settings per signal, the one of fewest features first."""
    classifier: Callable[[int], Classifier]
    """Called with the number of channels."""
    transfers: tuple[Transfer, ...] = (Transfer.AS_RECORDED,)
    """What to try for a recording of somebody else."""
    by_default: bool = True
    """Tried where no pipeline is named; not so a network, whose cross-validation takes minutes."""

    def under(self, transfer: Transfer, soa_ms: float) -> "Pipeline":
        """Return the pipeline with the settings that it tries under a transfer.

        Under adaptation one setting: leaving out one of two recordings cannot tell two apart. Where responses overlap the fine one,
        else the coarse one.
        """
        if transfer is not Transfer.ADAPTIVE:
            return self
        return replace(self, bands={signal: bands[-1:] if soa_ms < OVERLAP_SOA_MS else bands[:1] for signal, bands in self.bands.items()})


# High-pass .5 Hz for `error` and `relevance`; .1 Hz where the window goes to 900 ms, which a causal .5 Hz would distort. 100 ms
# steps win with few, slow potentials, 50 ms steps where flashes follow each other faster than their responses last.
_LDA_BANDS: dict[Signal, tuple[Band, ...]] = {
    Signal.ERROR: (Band(0.5, 10, 100, 800, 100), Band(0.5, 15, 0, 800, 50)),
    Signal.RELEVANCE: (Band(0.5, 10, 100, 800, 100), Band(0.5, 15, 0, 800, 50)),
    Signal.SURPRISE: (Band(0.1, 10, 200, 900, 100), Band(0.1, 15, 200, 900, 50)),
    Signal.VALUE: (Band(0.1, 10, 200, 900, 100),),
    Signal.CONFIDENCE: (Band(0.5, 15, 0, 500, 50),),
}

OVERLAP_SOA_MS = 400.0
"""Onsets that follow each other faster than this overlap within half a window."""

# Fine steps, so that the covariances are those of the epoch. Not aligned: over three speller recordings alignment moved the mean AUC
# on an unseen subject by less than .005, over three with error potentials it cost .03.
_XDAWN_BANDS: dict[Signal, tuple[Band, ...]] = {
    Signal.ERROR: (Band(1, 20, 0, 800, 8),),
    Signal.RELEVANCE: (Band(1, 20, 0, 800, 8),),
    Signal.SURPRISE: (Band(0.1, 20, 200, 900, 8),),
}


def _xdawn(n_channels: int) -> Classifier:
    # imported when it is wanted, as it takes its time: the start of every process would wait for it
    from decoders.estimators.xdawn import XdawnTangentSpace

    return XdawnTangentSpace(n_channels)


def _mdm(n_channels: int) -> Classifier:
    from decoders.estimators.mdm import ErpCovarianceMdm

    return ErpCovarianceMdm(n_channels)


def _toeplitz(n_channels: int) -> Classifier:
    from decoders.estimators.toeplitz import BlockToeplitzLDA

    return BlockToeplitzLDA(n_channels)


def _eegnet(n_channels: int) -> Classifier:
    from decoders.estimators.eegnet import EEGNet

    return EEGNet(n_channels)


def _ensemble(n_channels: int) -> Classifier:
    from decoders.estimators.ensemble import Ensemble

    return Ensemble(n_channels)


PIPELINES = {
    "lda": Pipeline("lda", "shrinkage LDA on windowed means", _LDA_BANDS, lambda _: ShrinkageLDA(), tuple(Transfer)),
    "xdawn": Pipeline("xdawn", "xDAWN covariances, tangent space, logistic regression", _XDAWN_BANDS, _xdawn),
    "mdm": Pipeline("mdm", "ERP covariances, minimum distance to mean", _XDAWN_BANDS, _mdm),
    "toeplitz": Pipeline("toeplitz", "block-Toeplitz LDA on windowed means", _LDA_BANDS, _toeplitz),
    "ensemble": Pipeline("ensemble", "LDA, block-Toeplitz LDA, xDAWN and MDM, weighed by held-out trials", _XDAWN_BANDS, _ensemble),
    "eegnet": Pipeline("eegnet", "EEGNet, a small convolutional network", _XDAWN_BANDS, _eegnet, by_default=False),
}


def scorer_of(classifier: Classifier) -> Scorer:
    """Return the one-window kernel of a fitted classifier.

    Raises
    ------
    FitError
        It has none.
    """
    make: Callable[[], Scorer] | None = getattr(classifier, "scorer", None)
    if make is None:
        raise FitError(
            f"A {type(classifier).__name__} has no scorer(), so no decoder of it runs on a stream; evaluate it without --online, or choose one of "
            f"{', '.join(PIPELINES)}. See docs/decoders.md for what a plugin needs."
        )
    return make()


def pipeline_named(name: str) -> Pipeline:
    """Return a pipeline by its name: one of ours, or of a package that brings one (`decoders.plugins`).

    Raises
    ------
    FitError
        There is none of that name.
    """
    if name in PIPELINES:
        return PIPELINES[name]
    brought = plugin_estimators()
    if name not in brought:
        raise FitError(f"There is no pipeline '{name}'; choose one of {', '.join([*PIPELINES, *brought])}.")
    plugin = brought[name]
    bands = _XDAWN_BANDS if plugin.takes_channels() else _LDA_BANDS
    return Pipeline(name, f"{name}, of package {plugin.package}", bands, plugin.make, by_default=False)


def chosen_channels(available: Sequence[str]) -> tuple[str, ...]:
    """Pick the channels to decode from.

    Parameters
    ----------
    available : sequence of str
        EEG channels of the recording, in its order.

    Returns
    -------
    tuple of str
        All, where there are at most `MAX_CHANNELS`; else the midline ones first, in the recording's order.
    """
    if len(available) <= MAX_CHANNELS:
        return tuple(available)
    rank = {name.lower(): i for i, name in enumerate(_MIDLINE_FIRST)}
    ranked = sorted((name for name in available if name.lower() in rank), key=lambda name: rank[name.lower()])[:MAX_CHANNELS]
    if len(ranked) < MAX_CHANNELS // 2:
        ranked = list(available)[:MAX_CHANNELS]  # names of another system: no reason to prefer any
    return tuple(name for name in available if name in ranked)


def candidate_specs(
    pipeline: Pipeline,
    signal: Signal,
    task: str,
    soa_ms: float | None,
    sampling_rate_hz: float,
    channel_names: Sequence[str],
    *,
    all_channels: bool = False,
) -> tuple[DecoderSpec, ...]:
    """Write out a pipeline's settings as specs for a recording.

    Parameters
    ----------
    pipeline : Pipeline
    signal : Signal
    task : str
        What the recording was made with, e.g. ``token_rsvp``.
    soa_ms : float or None
    sampling_rate_hz : float
    channel_names : sequence of str
        EEG channels available; see `chosen_channels`.
    all_channels : bool
        Take all of them, however many.

    Returns
    -------
    tuple of DecoderSpec
        Fewest features first.

    Raises
    ------
    FitError
        The pipeline has no settings for the signal, or the rate is too low for all of them.
    """
    if signal not in pipeline.bands:
        raise FitError(f"Pipeline '{pipeline.name}' has no settings for signal '{signal}'; it decodes {', '.join(pipeline.bands)}.")
    channels = tuple(channel_names) if all_channels else chosen_channels(channel_names)
    fitting = [band for band in pipeline.bands[signal] if band.lowpass_hz < sampling_rate_hz / 2]
    if not fitting:
        lowest_hz = 2 * min(band.lowpass_hz for band in pipeline.bands[signal])
        raise FitError(f"A rate of {sampling_rate_hz:g} Hz is too low for pipeline '{pipeline.name}'; it needs more than {lowest_hz:g} Hz.")
    return tuple(
        DecoderSpec(
            pipeline=pipeline.name,
            signal=signal,
            task=task,
            soa_ms=soa_ms,
            preprocessing=Preprocessing(sampling_rate_hz, channels, float(band.highpass_hz), float(band.lowpass_hz)),
            window=WindowSpec(_edges_ms(band, sampling_rate_hz)),
            artifacts=ArtifactRules(),
        )
        for band in fitting
    )


def _edges_ms(band: Band, sampling_rate_hz: float) -> tuple[float, ...]:
    """Edges of a band's windows; none is shorter than a sample."""
    step_ms = max(band.step_ms, 1000 / sampling_rate_hz)
    n_windows = int((band.end_ms - band.start_ms) / step_ms + 1e-6)
    return tuple(float(band.start_ms + step_ms * k) for k in range(n_windows + 1))
