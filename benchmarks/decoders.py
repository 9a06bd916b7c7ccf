"""One window, features to score: our kernels beside pyriemann's and scikit-learn's pipelines fitted on the same trials."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pyriemann.classification import MDM
from pyriemann.estimation import ERPCovariances, XdawnCovariances
from pyriemann.tangentspace import TangentSpace
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.report import Figure, Report
from decoders.estimators.eegnet import EEGNet
from decoders.estimators.ensemble import Ensemble
from decoders.estimators.mdm import ErpCovarianceMdm
from decoders.estimators.toeplitz import BlockToeplitzLDA
from decoders.estimators.xdawn import XdawnTangentSpace
from decoders.lda import ShrinkageLDA
from rlhb.errors import CommandError

N_CHANNELS, N_SAMPLES, N_TRIALS = 8, 200, 300
COARSE = 25
"""Samples in a window of the linear decoders: 8 windows of 100 ms."""
AIM_US = {"xdawn": 60.0, "lda": 10.0}


def run(seconds: float, tell: Callable[[str, float], None]) -> Report:
    """Fit each decoder on drawn trials and time single windows, ours and the peer's in turn, `seconds` for each decoder."""
    report = Report("decoders")
    rows, positive = _trials()
    epochs = rows.reshape(N_TRIALS, N_SAMPLES, N_CHANNELS)
    coarse = epochs.reshape(N_TRIALS, -1, COARSE, N_CHANNELS).mean(axis=2).reshape(N_TRIALS, -1)
    of_pyriemann = np.ascontiguousarray(epochs.transpose(0, 2, 1))
    linear = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    tangent = make_pipeline(XdawnCovariances(4, estimator="oas"), TangentSpace(), LogisticRegression(max_iter=1000))
    distance = make_pipeline(ERPCovariances(classes=[1], estimator="oas"), MDM())
    cases: list[tuple[str, Any, np.ndarray, str, Any, np.ndarray]] = [
        ("lda", ShrinkageLDA(), coarse, "scikit-learn LDA (lsqr, auto)", linear, coarse),
        ("toeplitz", BlockToeplitzLDA(N_CHANNELS), coarse, "scikit-learn LDA (lsqr, auto)", linear, coarse),
        ("xdawn", XdawnTangentSpace(N_CHANNELS), rows, "pyriemann XdawnCovariances, TangentSpace, scikit-learn LogisticRegression", tangent, of_pyriemann),
        ("mdm", ErpCovarianceMdm(N_CHANNELS), rows, "pyriemann ERPCovariances, MDM", distance, of_pyriemann),
        ("ensemble", Ensemble(N_CHANNELS), rows, "", None, of_pyriemann),
        ("eegnet", EEGNet(N_CHANNELS, max_epochs=3), rows, "", None, of_pyriemann),
    ]
    for at, (name, ours, features, peer, theirs, shaped) in enumerate(cases):
        tell(name, at / len(cases))
        scorer = ours.fit(features, positive).scorer()
        if theirs is not None:
            theirs.fit(shaped, positive.astype(int))
            _check_same(name, ours.decision_function(features), theirs, shaped)
        times = _alternating(scorer.score, features, getattr(theirs, "decision_function", None) or getattr(theirs, "predict_proba", None), shaped, seconds)
        report.figures.append(Figure(f"{name}, p50", times[0], "µs", peer, times[1], aim=AIM_US.get(name)))
    report.remarks.append(
        f"A window is {N_CHANNELS} channels x {N_SAMPLES} samples; lda and toeplitz: means of {COARSE} samples. Aims are for an idle machine; mind the load."
    )
    return report


def _trials() -> tuple[np.ndarray, np.ndarray]:
    """Noise with a slow response in every fourth trial, (n_trials, n_samples * n_channels) microvolt."""
    random = np.random.default_rng(0)
    epochs = random.normal(scale=5.0, size=(N_TRIALS, N_SAMPLES, N_CHANNELS)).cumsum(axis=1) / 3
    positive = np.arange(N_TRIALS) % 4 == 0
    epochs[positive] += 4 * np.hanning(N_SAMPLES)[:, np.newaxis] * random.uniform(0.3, 1, N_CHANNELS)
    return np.ascontiguousarray(epochs.reshape(N_TRIALS, -1)), positive


def _check_same(name: str, ours: np.ndarray, theirs: Any, shaped: np.ndarray) -> None:
    if name == "xdawn" and not np.allclose(ours, theirs.decision_function(shaped), rtol=1e-9, atol=1e-9):
        raise CommandError("Our scores and pyriemann's differ; the figures would compare two different things.")


def _alternating(
    ours: Callable[[np.ndarray], float], rows: np.ndarray, theirs: Callable[[np.ndarray], Any] | None, shaped: np.ndarray, seconds: float
) -> tuple[float, float | None]:
    """Median microseconds of one window each."""
    took: tuple[list[float], list[float]] = ([], [])
    until, i = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        row, epoch = rows[i % len(rows)], shaped[i % len(rows)][np.newaxis]
        began = time.perf_counter()
        ours(row)
        between = time.perf_counter()
        if theirs is not None:
            theirs(epoch)
            took[1].append(time.perf_counter() - between)
        took[0].append(between - began)
        i += 1
    return float(np.median(took[0])) * 1e6, float(np.median(took[1])) * 1e6 if took[1] else None
