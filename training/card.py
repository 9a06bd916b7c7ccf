"""The model card: what was learnt from whom, what was refused, how good it is, with a picture."""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.evaluation import Outcome
from training.labels import Collected
from training.reward_model import TrainingSettings, described

SOFTWARE = ("rlhb", "torch", "numpy")


def write_card(folder: Path, collected: Collected, outcome: Outcome, settings: TrainingSettings, source: str) -> dict[str, Any]:
    """Write ``card.md``, ``card.json``, ``labels.json`` and ``accuracy.svg`` beside the model.

    Parameters
    ----------
    folder : Path
    collected : Collected
    outcome : Outcome
    settings : TrainingSettings
    source : str
        Where the labels came from, in words.

    Returns
    -------
    dict
        What ``card.json`` holds.
    """
    about = _about(collected, outcome, settings, source)
    (folder / "card.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), "utf-8")
    ids = sorted({o.label_id for r in collected.responses for o in r.observations})
    (folder / "labels.json").write_text(json.dumps({"last_seq": collected.last_seq, "label_ids": ids}), "utf-8")
    _picture(folder / "accuracy.svg", outcome, simulated=collected.simulated)
    (folder / "card.md").write_text(_markdown(about), "utf-8")
    return about


def _about(collected: Collected, outcome: Outcome, settings: TrainingSettings, source: str) -> dict[str, Any]:
    return {
        "simulated": collected.simulated,
        "source": source,
        "labels": sum(len(r.observations) for r in collected.responses),
        "sources": dict(collected.sources),
        "refused": dict(collected.refused),
        "last_seq": collected.last_seq,
        "decoders": sorted(collected.decoders),
        "subjects": sorted({o.subject for r in collected.responses for o in r.observations}),
        "responses": {"train": outcome.n_train, "held_out": outcome.n_test},
        "held_out_pair_accuracy": outcome.accuracy.value,
        "held_out_pair_accuracy_ci95": list(outcome.accuracy.ci95),
        "shuffled_labels": outcome.control.value,
        "shuffled_labels_ci95": list(outcome.control.ci95),
        "difference_ci95": list(outcome.difference_ci95),
        "p_value": outcome.p_value,
        "beats_control": outcome.beats_control,
        "n_pairs": outcome.accuracy.n_pairs,
        "against": outcome.against,
        "settings": described(settings),
        "versions": {name: version(name) for name in SOFTWARE},
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _markdown(about: dict[str, Any]) -> str:
    warning = "**SIMULATED: its labels come from a simulated subject. It says nothing about people.**\n\n" if about["simulated"] else ""
    refused = ", ".join(f"{n} {reason}" for reason, n in about["refused"].items()) or "none"
    low, high = about["held_out_pair_accuracy_ci95"]
    control_low, control_high = about["shuffled_labels_ci95"]
    verdict = "It beats its controls." if about["beats_control"] else "It does NOT beat its controls: do not use it."
    return f"""# Reward model

{warning}A value for each word, a response's score their sum; learnt from neural labels of perceived errors.

| | |
|---|---|
| held-out pair accuracy | {about["held_out_pair_accuracy"]:.3f} (95 % {low:.3f} to {high:.3f}, {about["n_pairs"]} pairs) |
| the same with shuffled labels, mean of the controls | {about["shuffled_labels"]:.3f} (95 % {control_low:.3f} to {control_high:.3f}) |
| verdict | {verdict} p = {about["p_value"]:.2f}: (1 + controls that do as well) / (1 + controls) |
| what a right order is | {about["against"]} |
| labels | {about["labels"]} from {about["source"]}, up to seq {about["last_seq"]} |
| refused | {refused} |
| responses | {about["responses"]["train"]} to train on, {about["responses"]["held_out"]} held out |
| subjects | {", ".join(about["subjects"])} |
| decoders | {", ".join(about["decoders"])} |
| versions | {", ".join(f"{name} {v}" for name, v in about["versions"].items())} |

![held-out accuracy](accuracy.svg)

The labels that went in are listed in `labels.json`: when one of them is withdrawn, train again.
"""


def _picture(path: Path, outcome: Outcome, *, simulated: bool) -> None:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 2.2), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for row, (name, found, colour) in enumerate((("shuffled labels", outcome.control, "#999999"), ("neural labels", outcome.accuracy, "#1b7f79"))):
        low, high = found.ci95
        axes.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot([found.value], [row], "o", color=colour, markersize=9)
        axes.annotate(f"{found.value:.2f}", (found.value, row), (0, 8), textcoords="offset points", ha="center")
        axes.text(0.01, row + 0.25, name, transform=axes.get_yaxis_transform(), color=colour)
    axes.axvline(0.5, color="#cccccc", linewidth=1, zorder=0)
    axes.set(xlim=(0.0, 1.0), ylim=(-0.6, 1.7), yticks=[], xlabel="held-out pairs ordered rightly (95 % interval)")
    axes.spines[["left", "right", "top"]].set_visible(False)
    if simulated:
        axes.set_title("SIMULATED labels", color="#b00020", fontsize=10)
    figure.savefig(path)
