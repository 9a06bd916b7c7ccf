"""The report's pictures as SVG, drawn from the values of the report alone."""

import io
import re
import warnings
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

POSITIVE, NEGATIVE, QUIET = "#c2410c", "#1d4ed8", "#94a3b8"
MOST_CHANNELS = 8
N_MAPS = 6


def svg(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element that takes the width of its place."""
    FigureCanvasSVG(figure)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    element = text[text.index("<svg") :]
    return re.sub(r' (?:width|height)="[\d.]+pt"', "", element, count=2)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def averages(found: dict[str, Any], names: tuple[str, str]) -> str:
    """Mean responses of both classes with 95 % bands, a panel for each channel."""
    channels = found["channel_names"][:MOST_CHANNELS]
    columns = min(4, len(channels))
    rows = -(-len(channels) // columns)
    figure = Figure(figsize=(2.6 * columns, 1.9 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)).ravel()
    times = np.array(found["times_ms"])
    for axes, (k, channel) in zip(panels, enumerate(channels), strict=False):
        for name, colour, label in (("negative", NEGATIVE, names[1]), ("positive", POSITIVE, names[0])):
            mean, se = np.array(found[name]["mean_uv"])[:, k], np.array(found[name]["se_uv"])[:, k]
            axes.fill_between(times, mean - 1.96 * se, mean + 1.96 * se, color=colour, alpha=0.18, linewidth=0)
            axes.plot(times, mean, color=colour, linewidth=1.4, label=f"{label} ({found[name]['n']})")
        axes.axvline(0, color=QUIET, linewidth=0.8)
        axes.axhline(0, color=QUIET, linewidth=0.6)
        axes.set_title(channel, fontsize=9, loc="left")
        _plain(axes)
    for axes in panels[len(channels) :]:
        axes.set_visible(False)
    panels[0].legend(fontsize=7, frameon=False)
    figure.supxlabel("ms after the onset", fontsize=8)
    figure.supylabel("µV", fontsize=8)
    return svg(figure)


def topographies(found: dict[str, Any]) -> str | None:
    """Class difference over the head at several times; None where fewer than four electrodes have known places."""
    import mne

    with warnings.catch_warnings():  # MNE 1.14 gives these places another name
        warnings.simplefilter("ignore", FutureWarning)
        montage = mne.channels.make_standard_montage("standard_1005")
    known = {name.lower(): name for name in montage.ch_names}
    picks = [k for k, name in enumerate(found["channel_names"]) if name.lower() in known]
    if len(picks) < 4:
        return None
    info = mne.create_info([known[found["channel_names"][k].lower()] for k in picks], 250.0, "eeg").set_montage(montage)
    difference = (np.array(found["positive"]["mean_uv"]) - np.array(found["negative"]["mean_uv"]))[:, picks]
    times = np.array(found["times_ms"])
    after = np.flatnonzero(times > 0)
    groups = np.array_split(after, N_MAPS)
    limit = max(1e-6, float(np.abs([difference[g].mean(axis=0) for g in groups]).max()))
    figure = Figure(figsize=(10, 2.0), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, N_MAPS))
    image: Any = None
    for axes, group in zip(panels, groups, strict=True):
        image, _ = mne.viz.plot_topomap(
            difference[group].mean(axis=0), info, axes=axes, show=False, cmap="RdBu_r", vlim=(-limit, limit), contours=4, sensors=True
        )
        axes.set_title(f"{times[group[0]]:.0f} to {times[group[-1]]:.0f} ms", fontsize=8)
    bar = figure.colorbar(image, ax=panels, shrink=0.7)
    bar.set_label("µV", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return svg(figure)


def pattern(found: dict[str, Any]) -> str:
    """Haufe pattern: correlation of held-out llr with the signal at each time and channel."""
    values = np.array(found["correlation"]).T
    figure, axes = _figure(5, 0.8 + 0.28 * len(values))
    limit = max(1e-3, float(np.abs(values).max()))
    times = np.array(found["times_ms"])
    image = axes.imshow(
        values, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(times[0], times[-1], len(values) - 0.5, -0.5), interpolation="nearest"
    )
    axes.set_yticks(range(len(values)), found["channel_names"], fontsize=8)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_xlabel("ms after the onset", fontsize=8)
    axes.tick_params(labelsize=8)
    figure.colorbar(image, ax=axes).ax.tick_params(labelsize=7)
    return svg(figure)


def roc(found: dict[str, Any], auc: float) -> str:
    """Hits against false alarms on held-out blocks."""
    figure, axes = _figure(3.4, 3.2)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8)
    axes.plot(found["false_positive_rate"], found["true_positive_rate"], color=POSITIVE, linewidth=1.8)
    axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.set_xlabel("false alarms", fontsize=8)
    axes.set_ylabel("hits", fontsize=8)
    axes.text(0.97, 0.06, f"AUC {auc:.3f}", ha="right", fontsize=9)
    _plain(axes)
    return svg(figure)


def reliability(bins: list[dict[str, Any]]) -> str:
    """Said probability against what came, ten bins of equal count."""
    figure, axes = _figure(3.4, 3.2)
    said, came = np.array([b["mean_p"] for b in bins]), np.array([b["fraction_positive"] for b in bins])
    half = 1.96 * np.sqrt(np.maximum(came * (1 - came), 1e-4) / np.array([b["n"] for b in bins]))
    top = min(1.0, max(0.2, float(max(said.max(), came.max())) * 1.15))
    axes.plot([0, top], [0, top], color=QUIET, linewidth=0.8)
    axes.errorbar(said, came, yerr=half, fmt="o-", color=POSITIVE, markersize=4, linewidth=1.2, elinewidth=0.8)
    axes.set(xlim=(0, top), ylim=(0, top))
    axes.set_xlabel("probability said", fontsize=8)
    axes.set_ylabel("fraction that came", fontsize=8)
    _plain(axes)
    return svg(figure)


def histogram(found: dict[str, Any], names: tuple[str, str]) -> str:
    """Distribution of held-out llr in both classes, each summing to 1."""
    figure, axes = _figure(4.2, 2.6)
    edges = np.array(found["edges"])
    for key, colour, label in (("negative", NEGATIVE, names[1]), ("positive", POSITIVE, names[0])):
        counts = np.array(found[key], dtype=float)
        axes.stairs(counts / max(1.0, counts.sum()), edges, color=colour, fill=True, alpha=0.35, label=label)
    axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_xlabel("llr (nats)", fontsize=8)
    axes.legend(fontsize=7, frameon=False)
    _plain(axes)
    return svg(figure)


def per_block(rows: list[dict[str, Any]]) -> str:
    """AUC of each block, decoded from the others."""
    figure, axes = _figure(4.2, 2.6)
    known = [r for r in rows if r["auc"] is not None]
    axes.bar([r["block"] + 1 for r in known], [r["auc"] for r in known], color=NEGATIVE, width=0.6)
    axes.axhline(0.5, color=QUIET, linewidth=0.8)
    axes.set(ylim=(0.3, 1.0), xticks=[r["block"] + 1 for r in rows])
    axes.set_xlabel("block", fontsize=8)
    axes.set_ylabel("AUC", fontsize=8)
    _plain(axes)
    return svg(figure)


def generalisation(found: dict[str, Any]) -> str | None:
    """AUC of what was learnt at one time (upwards) when tested at another (to the right)."""
    if not found["auc"]:
        return None
    figure, axes = _figure(3.8, 3.2)
    times, auc = np.array(found["times_ms"]), np.array(found["auc"])
    extent = (times[0], times[-1], times[0], times[-1])
    image = axes.imshow(auc, origin="lower", extent=extent, cmap="RdBu_r", norm=TwoSlopeNorm(0.5, *_around(auc)), aspect="equal", interpolation="nearest")
    axes.set_xlabel("tested at (ms)", fontsize=8)
    axes.set_ylabel("learnt at (ms)", fontsize=8)
    axes.tick_params(labelsize=8)
    figure.colorbar(image, ax=axes).ax.tick_params(labelsize=7)
    return svg(figure)


def _around(auc: NDArray[np.float64]) -> tuple[float, float]:
    reach = max(0.05, float(np.abs(auc - 0.5).max()))
    return 0.5 - reach, 0.5 + reach


def learning_curve(found: dict[str, Any]) -> str | None:
    """AUC against trials learnt from."""
    if not found["n_trials"]:
        return None
    figure, axes = _figure(4.2, 2.6)
    axes.plot(found["n_trials"], found["auc"], "o-", color=NEGATIVE, markersize=4)
    axes.axhline(0.5, color=QUIET, linewidth=0.8)
    axes.set(ylim=(0.4, 1.0))
    axes.set_xlabel("trials learnt from", fontsize=8)
    axes.set_ylabel("AUC on the later blocks", fontsize=8)
    _plain(axes)
    return svg(figure)
