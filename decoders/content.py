"""A decoder as JSON values and arrays, and the hash that names its content."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.fitted import Calibration
from decoders.scorers import LinearScorer, Scorer
from decoders.spec import ArtifactRules, DecoderSpec, Preprocessing, Reference, WindowSpec
from messaging.words import Signal

CALIBRATION_ARRAYS = ("calibration", "bootstrap")
"""Names of the arrays that are not the scorer's."""


def spec_json(spec: DecoderSpec) -> dict[str, Any]:
    """Spec as JSON values; floats survive exactly (shortest round-trip text)."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(spec)))
    return values


def spec_from_json(values: dict[str, Any]) -> DecoderSpec:
    """Read what `spec_json` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        A field is missing, unknown or of the wrong kind.
    """
    preprocessing, window = dict(values["preprocessing"]), dict(values["window"])
    preprocessing["channel_names"] = tuple(preprocessing["channel_names"])
    preprocessing["reference"] = Reference(preprocessing["reference"])
    window["edges_ms"] = tuple(window["edges_ms"])
    window["baseline_ms"] = tuple(window["baseline_ms"]) if window["baseline_ms"] is not None else None
    return DecoderSpec(
        **{
            **values,
            "signal": Signal(values["signal"]),
            "preprocessing": Preprocessing(**preprocessing),
            "window": WindowSpec(**window),
            "artifacts": ArtifactRules(**values["artifacts"]),
        }
    )


def parameter_arrays(scorer: Scorer, calibration: Calibration) -> dict[str, NDArray[np.float64]]:
    """Everything that was learnt, as float64 arrays: the scorer's under its own names, and the calibration's two."""
    learnt = {name: np.asarray(array, dtype="<f8", order="C") for name, array in scorer.parameters().items()}
    return {
        **learnt,
        "calibration": np.array([calibration.slope, calibration.intercept, calibration.prior_removed, calibration.e0, calibration.e1], dtype="<f8"),
        "bootstrap": np.ascontiguousarray(calibration.bootstrap, dtype="<f8"),
    }


def content_sha256(spec: DecoderSpec, arrays: dict[str, NDArray[np.float64]], kind: str = LinearScorer.kind) -> str:
    """Hash of spec, kind of scorer and parameters: two decoders of one hash give the same llr, bit for bit.

    Name, version, report and times are not in it. The kind ``linear`` adds nothing, so decoders from before there were others keep
    their hash.
    """
    digest = hashlib.sha256(json.dumps(spec_json(spec), sort_keys=True, separators=(",", ":")).encode())
    if kind != LinearScorer.kind:
        digest.update(f"scorer:{kind}".encode())
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name], dtype="<f8").tobytes())
    return digest.hexdigest()
