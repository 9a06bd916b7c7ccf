"""From a decoder of the registry to its page."""

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from decoders.fitted import FittedDecoder
from decoders.gate.lines import Line
from messaging.words import Signal
from rlhb.report_page import drawing

_TITLES = {
    Line.INFORMATION_GAIN: "Information",
    Line.CALIBRATION_SLOPE: "Calibration",
    Line.PERMUTATION: "Better than chance",
    Line.DETECTION_J: "Detection",
    Line.OCULAR: "Not the eyes",
    Line.LEXICAL: "Not the words",
    Line.STATE: "Not the state",
    Line.PATTERN: "Right place and time",
    Line.CONTROLS: "Negative controls",
    Line.REJECTED: "Clean windows",
}
_ADVICE = {
    Line.INFORMATION_GAIN: "Record more trials of the calibration task, or check that the subject did it.",
    Line.CALIBRATION_SLOPE: "The scores are over- or underconfident: record more blocks, and look at the blocks one by one below.",
    Line.PERMUTATION: "The decoder cannot be told from chance: check the electrodes over the midline and the onsets.",
    Line.DETECTION_J: "Verdicts need J of at least .20: record more trials, or annotate with another protocol.",
    Line.OCULAR: "Eye movements alone could make the score: ask for fixation, record EOG, and calibrate again.",
    Line.STATE: "The subject changed over the session: shorter blocks, more breaks, or a new calibration.",
    Line.PATTERN: "Look at the pattern below: activity before the onset or at the rim of the cap is no answer to a word.",
    Line.CONTROLS: "Something in the recording foretells the class without an answer: look at the order of the trials and at the display.",
    Line.REJECTED: "Too many windows were unusable: check electrodes, blinking and movement.",
}
_NAMES = {Signal.RELEVANCE: ("target", "nontarget"), Signal.SURPRISE: ("unexpected", "expected")}


def report_html(decoder: FittedDecoder, made_at: str | None = None) -> str:
    """Make the page of a decoder.

    Parameters
    ----------
    decoder : FittedDecoder
        As the registry gives it, with its report.
    made_at : str, optional
        When it was fitted, in words.

    Returns
    -------
    str
        One HTML file without script, which needs nothing else.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("rlhb.report_page").joinpath("report.html").read_text("utf-8"))
    return template.render(**_values(decoder, made_at))


def _values(decoder: FittedDecoder, made_at: str | None) -> dict[str, Any]:
    statement, report, spec = decoder.statement, decoder.report, decoder.spec
    held_out = report["held_out"]
    names = _NAMES.get(spec.signal, ("error", "correct"))
    channels = ", ".join(spec.preprocessing.channel_names)
    failed = [line for line in decoder.gate if line.verdict == "failed"]
    return {
        "title": f"{statement.name}@{statement.version}: validity report",
        "name": statement.name,
        "version": statement.version,
        "subtitle": f"Decodes {spec.signal} for task {spec.task}, pipeline {spec.pipeline}, {spec.preprocessing.sampling_rate_hz:g} Hz, {channels}",
        "simulated": any(subject.startswith("simulated") for subject in statement.subjects),
        "released": decoder.released,
        "verdict": _verdict(decoder.released, [_TITLES.get(Line(line.name), line.name) for line in failed]),
        "tiles": _tiles(report, held_out),
        "warnings": report.get("warnings", []),
        "gate": [_line(line) for line in decoder.gate],
        "figures": _figures(report, names),
        "positive": names[0],
        "negative": names[1],
        "n_channels": len(spec.preprocessing.channel_names),
        "settings": [_setting(s) for s in report["settings"]],
        "not_tried": ", ".join(f"{n['pipeline']} on {n['n_channels']} channels" for n in report.get("not_tried", [])),
        "origin": _origin(decoder, made_at),
    }


def _verdict(released: bool, failed: list[str]) -> str:
    if released:
        return "Every line that is needed has passed: labels of this decoder may be learnt from."
    what = f" Failed: {', '.join(failed)}." if failed else ""
    return f"Labels of this decoder are kept, but held.{what}"


def _tiles(report: dict[str, Any], held_out: dict[str, Any]) -> list[tuple[str, str, str]]:
    low, high = held_out["auc_ci95"]
    counts = report["counts"]
    return [
        ("held-out AUC", f"{held_out['auc']:.3f}", f"95 %: {low:.3f} to {high:.3f}"),
        ("information", f"{held_out['information_gain_bits']:.3f}", "bits a trial"),
        ("balanced accuracy", f"{held_out['balanced_accuracy']:.2f}", "at llr = 0"),
        ("calibration error", f"{held_out['ece']:.3f}", f"chance alone: up to {held_out['ece_null95']:.3f}"),
        ("trials", f"{held_out['n_pos']} + {held_out['n_neg']}", f"{counts['rejected_fraction']:.1%} of the windows rejected"),
        ("fitted in", f"{report['fit_s']:.1f} s", f"{counts['blocks']} blocks, {counts['recordings']} recording(s)"),
    ]


def _line(line: Any) -> dict[str, str]:
    css = {"passed": "passed", "failed": "failed"}.get(line.verdict, "not")
    advice = _ADVICE.get(Line(line.name), "") if line.verdict == "failed" else ""
    return {"title": _TITLES.get(Line(line.name), line.name), "verdict": str(line.verdict), "css": css, "sentence": line.sentence, "advice": advice}


def _figures(report: dict[str, Any], names: tuple[str, str]) -> dict[str, str | None]:
    found = report.get("pictures")
    if not found:
        return {"averages": None}
    return {
        "averages": drawing.averages(found["averages"], names),
        "topographies": drawing.topographies(found["averages"]),
        "pattern": drawing.pattern(found["pattern"]),
        "generalisation": drawing.generalisation(found["temporal_generalisation"]),
        "roc": drawing.roc(found["roc"], report["held_out"]["auc"]),
        "reliability": drawing.reliability(report["held_out"]["reliability"]),
        "histogram": drawing.histogram(found["histogram"], names),
        "per_block": drawing.per_block(report["auc_per_block"]),
        "learning_curve": drawing.learning_curve(found["learning_curve"]),
    }


def _setting(setting: dict[str, Any]) -> dict[str, Any]:
    spec = setting["spec"]
    band, edges = spec["preprocessing"], spec["window"]["edges_ms"]
    return {
        "pipeline": spec["pipeline"],
        "band": f"{band['highpass_hz']:g} to {band['lowpass_hz']:g} Hz",
        "windows": f"{len(edges) - 1} of {edges[1] - edges[0]:.0f} ms, {edges[0]:.0f} to {edges[-1]:.0f} ms",
        "auc": f"{setting['cv_auc']:.3f}",
        "chosen": setting["chosen"],
    }


def _origin(decoder: FittedDecoder, made_at: str | None) -> list[tuple[str, str]]:
    statement, counts = decoder.statement, decoder.report["counts"]
    rejected = ", ".join(f"{n} {reason}" for reason, n in counts["rejected"].items()) or "none"
    return [
        ("subjects", ", ".join(statement.subjects) or "not known"),
        ("recordings", ", ".join(statement.trained_on)),
        ("onsets", f"{counts['onsets']}: {counts['positive']} positive, {counts['negative']} negative; rejected: {rejected}"),
        ("SOA", f"{statement.soa_ms:g} ms" if statement.soa_ms else "not known"),
        ("content (SHA-256)", statement.sha256),
        ("made", made_at or "not known"),
    ]
