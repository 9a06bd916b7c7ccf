"""How well real recordings are decoded, beside pyriemann and scikit-learn on the same trials; the aims are those of the product.

Ours is what `rlhb evaluate --online` gives: causal filters, settings and pipeline chosen on training trials alone. The peers see epochs
that were filtered forward and backward over the whole recording, and the best of them is picked by its test AUC: both favour them.
"""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy.special import expit, logit

from benchmarks.accuracy_peers import PEERS, epochs_of, paired_interval, peer_scores
from benchmarks.report import Report
from decoders.epochs import evaluate_epochs, folds_of
from decoders.evaluate import EvaluationSettings, PipelineResult, RecordingResult, evaluate_transfer, evaluate_within, split_masks
from decoders.metrics import area_under_curve, auc_interval, calibration_error_null95, expected_calibration_error
from decoders.pipelines import PIPELINES
from decoders.sessions import TrainingSession
from messaging.words import Signal
from recordings.epochs import read_epochs
from recordings.recording import read_recording
from rlhb.errors import CommandError
from rlhb.offline_log import decode_session
from rlhb.training_input import as_epoch_set, as_training

P300 = (["target"], ["nontarget"])
ERRP = (["token/error"], ["token/correct"])
N_BLOCKS = 20
"""Blocks of consecutive test trials for the paired bootstrap."""
DEFAULT = tuple(name for name, pipeline in PIPELINES.items() if pipeline.by_default)
Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One recording, or file of epochs, tested."""

    name: str
    aim: float | None
    chosen: str
    auc: float
    auc_ci95: tuple[float, float]
    best_peer: str
    best_peer_auc: float
    difference_ci95: tuple[float, float]
    """Of ours minus the best peer's, paired."""
    ece: float
    ece_null95: float
    n_pos: int
    n_neg: int
    offline_auc: float | None
    """The chosen pipeline decoded offline; None where there is no stream, or online is not possible."""
    pipelines: dict[str, float]
    peers: dict[str, float]

    @property
    def met(self) -> bool | None:
        """Whether the aim was met."""
        return None if self.aim is None else self.auc >= self.aim


@dataclass(slots=True)
class AccuracyReport(Report):
    """Rows instead of figures: more is better, and a difference has an interval."""

    rows: list[Row] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        told = Report.as_json(self)
        told.pop("figures")
        return {**told, "rows": [{**asdict(row), "met": row.met} for row in self.rows]}

    def as_table(self) -> Table:
        """The same for people."""
        table = Table(
            "what", "ours (95 %)", "chosen", "aim", "best peer", "ours - peer (95 %, paired)", "n", title=self.benchmark, caption="\n".join(self.remarks)
        )
        for r in self.rows:
            mark = {None: "", True: " [green]met[/]", False: " [red]missed[/]"}[r.met]
            aim = "" if r.aim is None else f"{r.aim:.3g}{mark}"
            low, high = r.difference_ci95
            ours = f"{r.auc:.3f} ({r.auc_ci95[0]:.3f} to {r.auc_ci95[1]:.3f})"
            peer = f"{r.best_peer_auc:.3f} {r.best_peer}"
            table.add_row(r.name, ours, r.chosen, aim, peer, f"{r.auc - r.best_peer_auc:+.3f} ({low:+.3f} to {high:+.3f})", f"{r.n_pos} + {r.n_neg}")
        return table


def run(_seconds: float, tell: Tell) -> AccuracyReport:
    """Evaluate every recording of the table; takes minutes."""
    folder = _folder()
    report = AccuracyReport("accuracy")
    cases = _cases(folder)
    for at, (what, work) in enumerate(cases):
        tell(what, at / len(cases))
        report.rows.extend(work())
    report.remarks.append("The best peer is picked by its test AUC and sees zero-phase filtered epochs; ours is causal and chosen on training trials alone.")
    return report


def _folder() -> Path:
    named = os.environ.get("RLHB_TEST_DATA")
    if not named or not Path(named).is_dir():
        raise CommandError("The recordings are missing: set RLHB_TEST_DATA to the folder that holds gtec_p300_speller and the others.")
    return Path(named)


def _cases(folder: Path) -> list[tuple[str, Callable[[], list[Row]]]]:
    gtec = [_session(path, P300) for path in sorted((folder / "gtec_p300_speller").glob("*_raw.fif"))]
    errp = [_session(path, ERRP) for path in sorted((folder / "semisynthetic_errp").glob("*_raw.fif"))]
    muse = {k: [_session(path, P300) for path in sorted((folder / "muse_visual_p300").glob(f"sub-01_ses-0{k}_*_raw.fif"))] for k in (1, 2)}
    epochs = folder / "errp_iturrate"
    return [
        ("g.tec P300, first 60 % to last 40 %", lambda: [_within(s, Signal.RELEVANCE, aim) for s, aim in zip(gtec, (0.975, 0.95, 0.88), strict=True)]),
        ("g.tec P300, the other two to this one", lambda: [_transfer(s, gtec, Signal.RELEVANCE, aim) for s, aim in zip(gtec, (0.89, 0.85, 0.76), strict=True)]),
        ("semisynthetic ErrP, first 60 % to last 40 %", lambda: _with_mean([_within(s, Signal.ERROR, None) for s in errp], "semisynthetic, within", 0.77)),
        (
            "semisynthetic ErrP, the other two to this one",
            lambda: _with_mean([_transfer(s, errp, Signal.ERROR, None) for s in errp], "semisynthetic, transfer", 0.76),
        ),
        ("ErrP epochs A (strided folds)", lambda: [_epochs(epochs / "gridcursor_s4_2ch_32hz.npz", 0.86)]),
        ("ErrP epochs B (contiguous folds)", lambda: [_epochs(epochs / "errp_1ch_256hz_epochs.npz", 0.74)]),
        ("Muse P300 sub-01, session 1 to session 2", lambda: [_muse(muse[1], muse[2])]),
    ]


def _session(path: Path, classes: tuple[list[str], list[str]]) -> TrainingSession:
    return as_training(read_recording(path), *classes)


def _settings(signal: Signal, *, online: bool) -> EvaluationSettings:
    return EvaluationSettings(DEFAULT, signal, decode_online=decode_session if online else None)


def _within(session: TrainingSession, signal: Signal, aim: float | None) -> Row:
    online, offline = (evaluate_within(session, _settings(signal, online=online)) for online in (True, False))
    test = split_masks("0.6", len(session.positive))[0]
    first = session.onset_samples[test][0]
    reach = 0.8 * session.sampling_rate_hz
    train = ~test & (session.onset_samples + reach < first)
    theirs = {p.name: lambda t, p=p: peer_scores(p, epochs_of(session, p), session.positive, train, t, session.sampling_rate_hz) for p in PEERS}
    return _row(f"{session.recording_id}, within", aim, online, offline, theirs)


def _transfer(session: TrainingSession, everybody: Sequence[TrainingSession], signal: Signal, aim: float | None) -> Row:
    others = [s for s in everybody if s is not session]
    return _row(
        f"{session.recording_id}, from the others", aim, evaluate_transfer(session, others, _settings(signal, online=False)), None, _pooled(others, session)
    )


def _pooled(train: Sequence[TrainingSession], test: TrainingSession) -> dict[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]]:
    def scores(peer: Any, trials: NDArray[np.int64]) -> NDArray[np.float64]:
        epochs = np.concatenate([epochs_of(s, peer) for s in [*train, test]])
        positive = np.concatenate([s.positive for s in [*train, test]])
        n = len(positive) - len(test.positive)
        return peer_scores(peer, epochs, positive, np.arange(len(positive)) < n, n + trials, test.sampling_rate_hz)

    return {p.name: lambda t, p=p: scores(p, t) for p in PEERS}


def _epochs(path: Path, aim: float) -> Row:
    read = read_epochs(path)
    labels = sorted(set(read.descriptions))
    error = next(label for label in labels if "err" in label.lower() or label == "1")
    found = as_epoch_set(read, [error], [label for label in labels if label != error])
    result = evaluate_epochs(found, EvaluationSettings(DEFAULT, Signal.ERROR, "blocks:5"))
    folds = folds_of(found.positive, 5)
    uv, positive = found.uv[folds.order].astype(np.float64), found.positive[folds.order]
    after = uv[:, :, found.times_ms >= 0]

    def scores(peer: Any, trials: NDArray[np.int64]) -> NDArray[np.float64]:
        every = np.empty(len(positive))
        for k in range(5):
            tested = np.flatnonzero(folds.fold == k)
            every[tested] = peer_scores(peer, after, positive, folds.fold != k, tested, found.sampling_rate_hz)
        return every[trials]

    return _row(path.name, aim, result, None, {p.name: lambda t, p=p: scores(p, t) for p in PEERS})


def _muse(train: Sequence[TrainingSession], test: Sequence[TrainingSession]) -> Row:
    rows = [_row(s.recording_id, None, evaluate_transfer(s, train, _settings(Signal.RELEVANCE, online=False)), None, _pooled(train, s)) for s in test]
    mean = _mean(rows, f"Muse sub-01, {len(train)} runs of session 1 to {len(rows)} of session 2", None)
    return replace(mean, aim=mean.best_peer_auc)


def _with_mean(rows: list[Row], name: str, aim: float) -> list[Row]:
    return [*rows, _mean(rows, name, aim)]


def _mean(rows: Sequence[Row], name: str, aim: float | None) -> Row:
    """Mean of several recordings; the interval of the difference takes them as independent and equal."""
    peers = {peer: statistics.fmean(r.peers[peer] for r in rows) for peer in rows[0].peers}
    best = max(peers, key=lambda peer: peers[peer])
    halves = [(r.auc_ci95[1] - r.auc_ci95[0]) / 2 for r in rows]
    auc, half = statistics.fmean(r.auc for r in rows), float(np.sqrt(np.sum(np.square(halves)))) / len(rows)
    differences = [r.auc - r.peers[best] for r in rows]
    spread = 1.96 * statistics.stdev(differences) / len(rows) ** 0.5
    return replace(
        rows[0],
        name=f"{name} (mean of {len(rows)})",
        aim=aim,
        chosen=", ".join(dict.fromkeys(r.chosen for r in rows)),
        auc=auc,
        auc_ci95=(auc - half, min(1.0, auc + half)),
        best_peer=best,
        best_peer_auc=peers[best],
        difference_ci95=(statistics.fmean(differences) - spread, statistics.fmean(differences) + spread),
        ece=statistics.fmean(r.ece for r in rows),
        ece_null95=statistics.fmean(r.ece_null95 for r in rows),
        n_pos=sum(r.n_pos for r in rows),
        n_neg=sum(r.n_neg for r in rows),
        offline_auc=None if rows[0].offline_auc is None else statistics.fmean(r.offline_auc or 0.0 for r in rows),
        pipelines={pipeline: statistics.fmean(r.pipelines[pipeline] for r in rows) for pipeline in rows[0].pipelines},
        peers=peers,
    )


def _row(
    name: str,
    aim: float | None,
    result: RecordingResult,
    offline: RecordingResult | None,
    theirs: dict[str, Callable[[NDArray[np.int64]], NDArray[np.float64]]],
) -> Row:
    ours: PipelineResult = result.pipelines[result.chosen]
    scored = {peer: scores(ours.trial) for peer, scores in theirs.items()}
    aucs = {peer: area_under_curve(scores, ours.positive) for peer, scores in scored.items()}
    best = max(aucs, key=lambda peer: aucs[peer])
    in_order = np.argsort(ours.trial, kind="stable")
    blocks = [block for block in np.array_split(in_order, N_BLOCKS) if len(block)]
    p = expit(ours.llr + logit(ours.prior))
    return Row(
        name=name,
        aim=aim,
        chosen=result.chosen if offline is not None or ours.transfer == "as recorded" else f"{result.chosen} ({ours.transfer})",
        auc=area_under_curve(ours.llr, ours.positive),
        auc_ci95=auc_interval(ours.llr, ours.positive),
        best_peer=best,
        best_peer_auc=aucs[best],
        difference_ci95=paired_interval(ours.llr, scored[best], ours.positive, blocks),
        ece=expected_calibration_error(p, ours.positive),
        ece_null95=calibration_error_null95(p),
        n_pos=int(ours.positive.sum()),
        n_neg=int((~ours.positive).sum()),
        offline_auc=None if offline is None else area_under_curve(offline.pipelines[result.chosen].llr, offline.pipelines[result.chosen].positive),
        pipelines={k: area_under_curve(r.llr, r.positive) for k, r in result.pipelines.items()},
        peers=aucs,
    )
