"""Label rows as an Arrow stream: one schema, so that empty pages and null columns have their types too."""

import pyarrow as pa

from server.labels.row import LabelRow

_S, _I, _F, _B = pa.string(), pa.int64(), pa.float64(), pa.bool_()

_NESTED: dict[str, pa.DataType] = {
    "selection": pa.struct([("policy", _S), ("propensity", _F)]),
    "generator": pa.struct([("model", _S), ("revision", _S), ("token_ids", pa.list_(_I)), ("token_bytes", pa.list_(_S)), ("logprobs", pa.list_(_F))]),
    "unit": pa.struct([("index", _I), ("char_start", _I), ("char_end", _I), ("text", _S)]),
    "marker": pa.struct([("kind", _S), ("polarity", _S), ("source", _S)]),
    "pair": pa.struct([("response_id_b", _S), ("order", _S), ("choice", _S)]),
    "step": pa.struct([("step_id", _S), ("parent_id", _S), ("first_error_p", _F), ("action", _S)]),
    "quality": pa.struct([("artifact", _S), ("gap", _I), ("impedance", _F), ("drift", _F)]),
    "decoder": pa.struct(
        [
            ("name", _S), ("version", _I), ("sha256", _S), ("task", _S), ("soa_ms", _F), ("calibration_id", _S),
            ("auc", _F), ("auc_ci95", pa.list_(_F)), ("trained_on", pa.list_(_S)), ("subjects", pa.list_(_S)), ("adapted_to", _S),
        ]
    ),
    "rating": pa.struct([("value", _F), ("scale", _S), ("rt_ms", _F), ("scope", _S)]),
    "window_ms": pa.list_(_F),
}  # fmt: skip
_INTEGERS = frozenset({"revision", "seq", "block", "trial", "repeat", "sample_index"})
_FLAGS = frozenset({"current", "late"})
_NUMBERS = frozenset(
    {
        "onset_lsl_s", "offset_lsl_s", "onset_sd_ms", "soa_ms", "display_latency_ms", "llr", "llr_sd", "prior_removed", "prior", "p_error",
        "reward", "reward_sd", "reward_nc", "confidence", "value", "value_sd", "pair_llr",
    }
)  # fmt: skip


def _type_of(name: str) -> pa.DataType:
    if name in _NESTED:
        return _NESTED[name]
    if name in _INTEGERS:
        return _I
    if name in _FLAGS:
        return _B
    return _F if name in _NUMBERS else _S


ARROW_SCHEMA = pa.schema([(name, _type_of(name)) for name in LabelRow.model_fields] + [("superseded", _B)], metadata={"schema": "rlhb.label.v1"})
"""Columns of the label row; of a superseded row only those of `SupersededRow` are set."""
