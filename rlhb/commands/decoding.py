"""`rlhb fit`, `rlhb evaluate`, `rlhb relabel`: decoders and recordings, without processes."""

import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from decoders.choice import AUTO
from decoders.epochs import evaluate_epochs
from decoders.evaluate import EvaluationSettings, RecordingResult, evaluate_transfer, evaluate_within
from decoders.evaluation_figures import evaluation_json
from decoders.fit import FitSettings, fit_decoder
from decoders.fitted import FittedDecoder
from decoders.kernels import kernel_set
from decoders.online import OnlineDecoder
from decoders.pipelines import PIPELINES, pipeline_named
from decoders.registry import Registry
from decoders.sessions import TrainingSession
from hardware_profiles import HardwareProfile
from messaging.records import Chunk
from messaging.rewards import Reward
from messaging.words import Signal
from recordings.epochs import is_epochs, read_epochs
from recordings.recording import Recording
from rlhb.cli import settings
from rlhb.commands.lab import replay_plan
from rlhb.commands.reporting import write_report
from rlhb.decoder_choice import resolve_decoder
from rlhb.errors import CommandError
from rlhb.items import item_file, marks_of
from rlhb.offline_log import decode_session, log_of_foreign, own_log
from rlhb.options import DEFAULT_PRIOR, AcceptQuality, BoardProfile, DataDir, Subject, board_profile
from rlhb.progress import progress_bar, progress_lines
from rlhb.recording_quality import read_checked
from rlhb.server_marks import marks_of_server
from rlhb.training_input import as_epoch_set, as_training

Descriptions = Annotated[list[str], typer.Option(help="Description of an event of this class; may be given more than once.")]
Items = Annotated[Optional[str], typer.Option(help="Item file (or shipped set) whose marks tell units apart: unit/wrong, unit/right.")]  # noqa: UP045 - Typer
Classes = tuple[list[str], list[str]]
"""Descriptions of the positive and of the negative class."""
Tell = Callable[[str, float], None]
Pipelines = Annotated[Optional[list[str]], typer.Option("--pipeline", help="Pipeline; may be given more than once.")]  # noqa: UP045


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(fit)
    app.command()(evaluate)
    app.command()(relabel)


def _sessions(
    paths: list[Path],
    positive: list[str],
    negative: list[str],
    marks: dict[tuple[str, int], str] | None,
    profile: HardwareProfile | None,
    accept: bool,
    subject: str | None = None,
) -> list[tuple[Recording, TrainingSession]]:
    _check_classes(positive, negative)
    found = []
    for path in paths:
        recording = read_checked(path, profile, accept)
        found.append((recording, as_training(recording, positive, negative, marks, subject)))
    return found


def _marks(items: str | None, of_server: str | None = None) -> dict[tuple[str, int], str] | None:
    if items and of_server:
        raise CommandError("Marks are asked for with --items and with --marks-of-server. Give one of the two.")
    if of_server:
        return marks_of_server(of_server)
    return marks_of(item_file(items)) if items else None


def _check_classes(positive: list[str], negative: list[str]) -> None:
    both = sorted(set(positive) & set(negative))
    if both:
        raise CommandError(f"'{both[0]}' is given as positive and as negative. An event belongs to one class.")


def _check_pipelines(names: list[str]) -> None:
    for name in names:
        if name != AUTO:
            pipeline_named(name)


def fit(
    recordings: Annotated[list[Path], typer.Argument(help="Recordings to learn from.")],
    positive: Descriptions,
    negative: Descriptions,
    out: Annotated[str, typer.Option(help="Name of the decoder in the registry.")],
    pipeline: Annotated[str, typer.Option(help="Which pipeline; auto chooses among all, with their bands, windows and channels.")] = "lda",
    budget_s: Annotated[
        float, typer.Option(min=1, help="With auto: about how many seconds to try for; judging comes on top. The best so far is taken.")
    ] = 60.0,
    signal: Annotated[Signal, typer.Option(help="Which brain signal the positive class shows.")] = Signal.ERROR,
    items: Items = None,
    of_server: Annotated[Optional[str], typer.Option("--marks-of-server", help="Item set of the session server, in place of an item file.")] = None,  # noqa: UP045
    profile: BoardProfile = None,
    accept_quality: AcceptQuality = False,
    subject: Subject = None,
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    tell_progress: Annotated[bool, typer.Option("--tell-progress", help="Progress on stderr as lines of JSON, for a program that follows.")] = False,
) -> None:
    """Fit a decoder, put it through the gate, and keep it in the registry with its report."""
    chosen = settings(data_dir=data_dir)
    _check_pipelines([pipeline])
    registry = Registry(chosen.decoders_dir)
    read = _sessions(recordings, positive, negative, _marks(items, of_server), board_profile(profile), accept_quality, subject)
    header = read[0][0].header
    wanted = FitSettings(
        name=out,
        pipeline=pipeline,
        signal=signal,
        task=header.task if header else "replay",
        soa_ms=header.soa_ms if header else None,
        budget_s=budget_s if pipeline == AUTO else math.inf,
    )
    with progress_lines() if tell_progress else progress_bar() as tell:
        decoder = fit_decoder([session for _, session in read], wanted, tell)
    version = registry.save(decoder)
    _tell_fit(decoder, version, as_json)
    if tell_progress or not as_json:
        page = write_report(registry, chosen.decoders_dir, f"{out}@{version}", chosen.data_dir / "reports")
        typer.echo(f"Report with pictures: {page}", err=as_json)


def _tell_fit(decoder: FittedDecoder, version: int, as_json: bool) -> None:
    statement = decoder.statement
    if as_json:
        lines = [{"name": g.name, "verdict": g.verdict, "value": g.value, "bound": g.bound, "sentence": g.sentence} for g in decoder.gate]
        answer = {"name": statement.name, "version": version, "released": decoder.released, "auc": statement.auc, "auc_ci95": statement.auc_ci95, "gate": lines}
        typer.echo(json.dumps(answer))
        return
    low, high = statement.auc_ci95 or (float("nan"), float("nan"))
    typer.echo(f"{statement.name}@{version}: held-out AUC {statement.auc:.3f} (95 % interval {low:.3f} to {high:.3f})")
    table = Table("gate", "verdict", "")
    for g in decoder.gate:
        table.add_row(g.name, g.verdict, g.sentence)
    Console().print(table)
    typer.echo("Its labels are released." if decoder.released else "Its labels are held: the gate has not passed.")


def evaluate(
    test: Annotated[list[Path], typer.Argument(help="Recordings to test on, or files of epochs (-epo.fif, .npz).")],
    positive: Descriptions,
    negative: Descriptions,
    train: Annotated[Optional[list[Path]], typer.Option(help="Fit on these recordings instead; may be given more than once.")] = None,  # noqa: UP045
    pipeline: Pipelines = None,
    split: Annotated[Optional[str], typer.Option(help="Fraction from the start to fit on (default 0.6), or blocks:N (epochs: blocks:5).")] = None,  # noqa: UP045
    signal: Annotated[Signal, typer.Option(help="Which brain signal the positive class shows.")] = Signal.ERROR,
    items: Items = None,
    profile: BoardProfile = None,
    accept_quality: AcceptQuality = False,
    online: Annotated[bool, typer.Option("--online", help="Decode through the online decoder, as live.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Tell how well recordings are decoded: within each in chronological order, or from other recordings."""
    _check_pipelines(pipeline or [])
    default = [name for name, found in PIPELINES.items() if found.by_default]
    named = [name for wish in pipeline or [AUTO] for name in (default if wish == AUTO else [wish])]
    names = tuple(dict.fromkeys(named))
    cut = is_epochs(test[0])
    wanted = EvaluationSettings(names, signal, split or ("blocks:5" if cut else "0.6"), decode_session if online else None)
    _check_classes(positive, negative)
    classes = (positive, negative)
    with progress_bar() as tell:
        if cut:
            results = _of_epochs(test, train or [], classes, wanted, tell)
        else:
            board, marks = board_profile(profile), _marks(items)
            tests, training = (_sessions(paths, positive, negative, marks, board, accept_quality) for paths in (test, train or []))
            results = _of_recordings(tests, [session for _, session in training], wanted, tell)
    answer = evaluation_json(results)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        _print_evaluation(answer)


def _of_recordings(
    tests: list[tuple[Recording, TrainingSession]], training: list[TrainingSession], wanted: EvaluationSettings, tell: Tell
) -> list[RecordingResult]:
    results: list[RecordingResult] = []
    for k, (recording, session) in enumerate(tests):
        tell(f"evaluating {recording.path.name}", k / len(tests))
        others = [s for s in training if s.sha256 != session.sha256]
        if training and not others:
            raise CommandError(f"{recording.path} is the only recording to train on and the one to test on. Give others with --train.")
        results.append(evaluate_transfer(session, others, wanted) if training else evaluate_within(session, wanted))
    return results


def _of_epochs(test: list[Path], train: list[Path], classes: Classes, wanted: EvaluationSettings, tell: Tell) -> list[RecordingResult]:
    whole = [str(p) for p in (*test, *train) if not is_epochs(p)]
    if whole:
        raise CommandError(f"{whole[0]} is no file of epochs, but {test[0]} is. Evaluate epochs and recordings apart.")
    training = [read_epochs(path) for path in train]
    results = []
    for k, path in enumerate(test):
        tell(f"evaluating {path.name}", k / len(test))
        epochs = read_epochs(path)
        others = [e for e in training if e.sha256 != epochs.sha256]
        if training and not others:
            raise CommandError(f"{path} is the only file to train on and the one to test on. Give others with --train.")
        results.append(evaluate_epochs(as_epoch_set(epochs, *classes), wanted, [as_epoch_set(e, *classes) for e in others]))
    return results


def _print_evaluation(answer: dict[str, Any]) -> None:
    table = Table("recording", "pipeline", "AUC (95 %)", "balanced accuracy", "gain (bit)", "ECE", "n")
    for row in [*answer["per_recording"], {"recording": "all", "pipelines": answer["pipelines"]}]:
        for name, f in row["pipelines"].items():
            interval = f"{f['auc']:.3f} ({f['auc_ci95'][0]:.3f} to {f['auc_ci95'][1]:.3f})"
            counts = f"{f['n_pos']} + {f['n_neg']}"
            table.add_row(row["recording"], name, interval, f"{f['balanced_accuracy']:.3f}", f"{f['information_gain_bits']:.3f}", f"{f['ece']:.3f}", counts)
    Console().print(table)
    typer.echo(f"chosen without the test labels: {answer['chosen']}")
    for remark in dict.fromkeys(remark for row in answer["per_recording"] for remark in row["remarks"]):
        typer.echo(remark)


def relabel(
    recording: Annotated[Path, typer.Argument(help="Own recording, or any other that can be read.")],
    decoder: Annotated[str, typer.Option(help="Decoder of the registry, NAME or NAME@VERSION.")],
    out: Annotated[Optional[Path], typer.Option(help="File for the rewards, JSON Lines; standard output without it.")] = None,  # noqa: UP045
    profile: BoardProfile = None,
    accept_quality: AcceptQuality = False,
    data_dir: DataDir = None,
) -> None:
    """Decode a recording again, as the worker would have; tells on stderr which promise of exactness held."""
    chosen = settings(data_dir=data_dir)
    registry = Registry(chosen.decoders_dir)
    found = read_checked(recording, board_profile(profile), accept_quality)
    reference = resolve_decoder(registry, decoder, found)
    records = own_log(found, reference) if found.header else log_of_foreign(found, replay_plan(found, "relabel", reference, DEFAULT_PRIOR))
    online = OnlineDecoder(lambda ref: registry.load(ref.name, ref.version))
    last = max(1, found.end_index)
    with _destination(out) as file, progress_bar() as tell:
        n = 0
        for record in records:
            for reward in online.receive(record):
                file.write(reward_line(reward))
                n += 1
            if isinstance(record, Chunk):
                tell("decoding", record.sample_index / last)
    sys.stderr.write(f"{n} rewards. {_promise(found)}\n")


def reward_line(reward: Reward) -> str:
    """One line of JSON; floats keep every bit."""
    return reward.model_dump_json() + "\n"


def _promise(recording: Recording) -> str:
    here = kernel_set()
    if recording.header is None:
        return f"Decoded with {here}; a replay on this machine gives the same numbers, bit for bit."
    if recording.header.kernel_set == here:
        return f"Same kernel set as when it was recorded ({here}): equal to what was published, bit for bit."
    return f"Recorded with kernel set {recording.header.kernel_set or 'unknown'}, decoded with {here}: |difference of llr| <= 1e-9 is promised, not equality."


@contextmanager
def _destination(out: Path | None) -> Iterator[IO[str]]:
    """Write to standard output, or to a file that appears only when it is whole."""
    if out is None:
        yield sys.stdout
        return
    try:
        with tempfile.NamedTemporaryFile("w", dir=out.parent, prefix=f".{out.name}.", delete=False, encoding="utf-8") as file:
            try:
                yield file
            except BaseException:
                Path(file.name).unlink()
                raise
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}. Choose another file with --out.") from error
    Path(file.name).replace(out)
