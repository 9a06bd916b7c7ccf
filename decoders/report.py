"""The validity report of a fit, as JSON values."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.special import expit, logit

from decoders.content import spec_json
from decoders.crossvalidation import HeldOut
from decoders.fitted import FittedDecoder
from decoders.gate.coarse import Judged
from decoders.metrics import (
    area_under_curve,
    auc_interval,
    balanced_accuracy,
    calibration_error_null95,
    calibration_slope,
    expected_calibration_error,
    information_gains_bits,
    reliability,
)
from decoders.report_pictures import pictures
from decoders.spec import DecoderSpec
from decoders.trials import Trials

REPORT_SCHEMA = "rlhb.decoder-report.v2"
"""v1 had no pictures."""
_MAX_REJECTED = 0.2


def validity_report(
    specs: Sequence[DecoderSpec],
    cv_aucs: Sequence[float],
    pick: int,
    trials: Trials,
    judged: Judged,
    held_out: HeldOut,
    decoder: FittedDecoder,
    seconds: float,
) -> dict[str, Any]:
    """Collect everything a reader needs to believe or doubt a decoder.

    Parameters
    ----------
    specs, cv_aucs : sequences
        Settings tried and their cross-validated AUC.
    pick : int
        Which was chosen.
    trials : Trials
        All onsets under the chosen settings.
    judged : Judged
        The onsets that `held_out` speaks of, with their recordings.
    held_out : HeldOut
    decoder : FittedDecoder
    seconds : float
        What the fit took.

    Returns
    -------
    dict
        JSON values. Figures under ``held_out`` are of blocks that settings, decoder and calibration did not see.
    """
    rejected_fraction = float((~trials.kept).mean())
    warnings = []
    if rejected_fraction > _MAX_REJECTED:
        warnings.append(f"{rejected_fraction:.0%} of the windows were rejected (more than {_MAX_REJECTED:.0%}): check electrodes and montage.")
    return {
        "schema": REPORT_SCHEMA,
        "counts": {
            "onsets": len(trials.kept),
            "positive": int(trials.positive.sum()),
            "negative": int((~trials.positive).sum()),
            "used": int(trials.kept.sum()),
            "rejected": trials.rejections(),
            "rejected_fraction": rejected_fraction,
            "blocks": len(np.unique(judged.trials.block)),
            "recordings": len(np.unique(trials.recording)),
        },
        "settings": [{"spec": spec_json(spec), "cv_auc": auc, "chosen": i == pick} for i, (spec, auc) in enumerate(zip(specs, cv_aucs, strict=True))],
        "chosen_without_block": {str(block): chosen for block, chosen in held_out.chosen.items()},
        "held_out": figures(held_out.llr, judged.trials.positive, float(judged.trials.positive.mean())),
        "auc_per_block": _per_block(held_out, judged.trials),
        "released": decoder.released,
        "gate": [asdict(line) for line in decoder.gate],
        "trained_on": list(decoder.statement.trained_on),
        "warnings": warnings,
        "pictures": pictures(judged),
        "fit_s": round(seconds, 3),
    }


def figures(llr: np.ndarray[Any, np.dtype[np.float64]], positive: np.ndarray[Any, np.dtype[np.bool_]], prior: float) -> dict[str, Any]:
    """Figures of llr against the truth: discrimination, information and calibration at a prior."""
    p = expit(llr + logit(prior))
    low, high = auc_interval(llr, positive)
    slope, slope_sd = calibration_slope(llr, positive)
    return {
        "auc": area_under_curve(llr, positive),
        "auc_ci95": [low, high],
        "balanced_accuracy": balanced_accuracy(llr, positive),
        "information_gain_bits": float(information_gains_bits(llr, positive, prior).mean()),
        "ece": expected_calibration_error(p, positive),
        "ece_null95": calibration_error_null95(p),
        "calibration_slope": slope,
        "calibration_slope_sd": slope_sd,
        "reliability": [asdict(b) for b in reliability(p, positive)],
        "prior": prior,
        "n_pos": int(positive.sum()),
        "n_neg": int((~positive).sum()),
    }


def _per_block(held_out: HeldOut, judged: Trials) -> list[dict[str, Any]]:
    rows = []
    for block in np.unique(judged.block):
        inside = judged.block == block
        positive = judged.positive[inside]
        both = positive.any() and not positive.all()
        rows.append(
            {
                "block": int(block),
                "auc": area_under_curve(held_out.llr[inside], positive) if both else None,
                "n_pos": int(positive.sum()),
                "n_neg": int((~positive).sum()),
            }
        )
    return rows
