"""The figures of an evaluation, as ``rlhb evaluate --json`` prints them."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logit

from decoders.evaluate import PipelineResult, RecordingResult
from decoders.metrics import area_under_curve, auc_interval, balanced_accuracy, calibration_error_null95, expected_calibration_error, information_gains_bits


def evaluation_json(results: Sequence[RecordingResult]) -> dict[str, Any]:
    """Results as ``rlhb evaluate --json`` prints them.

    Notes
    -----
    Over several recordings, AUC is the mean of the recordings' (pooled scores would mix their offsets) with the interval of that mean;
    balanced accuracy, information gain and calibration error are of the pooled llr; counts and fitting times are added up.
    """
    names = list(results[0].pipelines)
    mean_cv = {name: statistics.fmean(r.pipelines[name].cv_auc for r in results) for name in names}
    return {
        "chosen": max(names, key=lambda name: mean_cv[name]),
        "pipelines": {name: _figures([r.pipelines[name] for r in results]) for name in names},
        "per_recording": [
            {
                "recording": r.recording,
                "chosen": r.chosen,
                "pipelines": {name: _figures([result]) for name, result in r.pipelines.items()},
                "remarks": list(r.remarks),
            }
            for r in results
        ],
    }


def _figures(results: Sequence[PipelineResult]) -> dict[str, Any]:
    llr = np.concatenate([r.llr for r in results])
    positive = np.concatenate([r.positive for r in results])
    p = np.concatenate([expit(r.llr + logit(r.prior)) for r in results])
    gains = np.concatenate([information_gains_bits(r.llr, r.positive, r.prior) for r in results])
    return {
        "auc": statistics.fmean(area_under_curve(r.llr, r.positive) for r in results),
        "auc_ci95": list(_mean_interval(results)),
        "balanced_accuracy": balanced_accuracy(llr, positive),
        "information_gain_bits": float(gains.mean()),
        "ece": expected_calibration_error(p, positive),
        "ece_null95": calibration_error_null95(p),
        "n_pos": int(positive.sum()),
        "n_neg": int((~positive).sum()),
        "fit_s": sum(r.fit_s for r in results),
        "decode_ms_p50": statistics.median(r.decode_ms for r in results),
        "cv_auc": statistics.fmean(r.cv_auc for r in results),
        "n_rejected": sum(r.n_rejected for r in results),
        "transfer": ", ".join(dict.fromkeys(str(r.transfer) for r in results)),
    }


def _mean_interval(results: Sequence[PipelineResult]) -> tuple[float, float]:
    if len(results) == 1:
        return auc_interval(results[0].llr, results[0].positive)
    aucs = [area_under_curve(r.llr, r.positive) for r in results]
    halves = [(high - low) / 2 for low, high in (auc_interval(r.llr, r.positive) for r in results)]
    mean, half = statistics.fmean(aucs), float(np.sqrt(np.sum(np.square(halves)))) / len(results)
    return max(0.0, mean - half), min(1.0, mean + half)
