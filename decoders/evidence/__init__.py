"""Evidence of several readings made one: repeats and readers, verdict markers of both polarities, a unit and its successor, several signals."""

from decoders.evidence.combination import Combination, CombinedEvidence, Readings, fit_combination, held_out_combination, p_error_of, reward_of, weighted_sum
from decoders.evidence.correlation import evidence_correlation
from decoders.evidence.log_odds import LogOddsSum, fit_log_odds
from decoders.evidence.polarity import PolarityCalibration, fit_polarities, for_rejections, unit_llr
from decoders.evidence.spans import fit_spans, span_llr

__all__ = [
    "Combination",
    "CombinedEvidence",
    "LogOddsSum",
    "PolarityCalibration",
    "Readings",
    "evidence_correlation",
    "fit_combination",
    "fit_log_odds",
    "fit_polarities",
    "fit_spans",
    "for_rejections",
    "held_out_combination",
    "p_error_of",
    "reward_of",
    "span_llr",
    "unit_llr",
    "weighted_sum",
]
