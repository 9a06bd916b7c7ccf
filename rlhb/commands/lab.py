"""`rlhb acquire`, `rlhb replay`, `rlhb decode`: one process each."""

import math
import sys
import uuid
from pathlib import Path
from typing import Annotated, Optional

import typer

from acquisition.board import Board
from acquisition.daemon import Daemon
from acquisition.markers import check_markers, read_marker_map
from acquisition.plan import DaemonPlan
from acquisition.replay_board import ReplayBoard, parse_speed
from acquisition.replay_course import recorded_legs
from decoders.kernels import kernel_set
from decoders.registry import Registry
from decoders.worker import Worker, WorkerPlan
from hardware_profiles import HardwareProfile, load_profile
from messaging.lab import SessionPlan
from messaging.records import DecoderRef
from messaging.settings import Settings
from messaging.tasks import side_by_side
from recordings.recording import Recording
from rlhb.cli import log_to_stderr, run_until_stopped, settings
from rlhb.decoder_choice import resolve_decoder
from rlhb.errors import CommandError
from rlhb.options import DEFAULT_PRIOR, AcceptQuality, BoardProfile, DataDir, Subject, board_profile
from rlhb.recording_quality import read_checked
from rlhb.replay_console import ReplayConsole
from rlhb.training_input import subject_of

REPLAY_PROTOCOL = "replay"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(acquire)
    app.command()(replay)
    app.command()(decode)


def need_bus(chosen: Settings) -> str:
    """Address of the bus.

    Raises
    ------
    CommandError
        None is set.
    """
    if chosen.bus_url is None:
        raise CommandError("No bus: set RLHB_BUS_URL to a Redis or Valkey, or start everything with `rlhb up`, which brings one along.")
    return chosen.bus_url


def acquire(
    profile: Annotated[str, typer.Option(help="Name of a shipped profile, or a TOML file.")] = "simulated_subject",
    data_dir: DataDir = None,
    subject_key: Annotated[Optional[list[Path]], typer.Option(help="Item files that the simulated subject knows.")] = None,  # noqa: UP045
    subject_seed: Annotated[int, typer.Option(help="Who the simulated subject is.")] = 1,
    run_seed: Annotated[int, typer.Option(help="Noise and noticing of this run; another one than the calibration's.")] = 2,
    effect: Annotated[float, typer.Option(help="Size of the simulated subject's responses; 0 for none.")] = 1.0,
) -> None:
    """Stream a board, record running sessions, publish them on the bus."""
    chosen = settings(data_dir=data_dir)
    log_to_stderr(chosen.log_level)
    found = load_profile(profile)
    board = _board(found, subject_key or [], subject_seed, run_seed, effect)
    plan = DaemonPlan(data_dir=_folder(chosen), server_url=chosen.http_url, token=chosen.token or "", bus_url=need_bus(chosen), kernel_set=kernel_set())
    run_until_stopped(Daemon(plan, board).run)


def _folder(chosen: Settings) -> Path:
    try:
        chosen.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"The data folder {chosen.data_dir} cannot be made: {error.strerror}. Choose another with --data-dir.") from error
    return chosen.data_dir


def _board(profile: HardwareProfile, keys: list[Path], subject_seed: int, run_seed: int, effect: float) -> Board:
    match profile.driver.kind:
        case "brainflow":
            from acquisition.brainflow_board import BrainFlowBoard

            return BrainFlowBoard(profile)
        case "lsl":
            from acquisition.lsl_board import LslBoard

            return LslBoard(profile)
        case "simulated_subject":
            from acquisition.simulated_board import SimulatedSubjectBoard
            from acquisition.simulated_subject import SimulatedSubject, load_subject_key

            return SimulatedSubjectBoard(profile, SimulatedSubject(profile, load_subject_key(keys), subject_seed, run_seed, effect))
        case _:
            raise CommandError(f"Profile {profile.name} is a replay: use `rlhb replay RECORDING`.")


def replay_plan(recording: Recording, run_id: str, decoder: DecoderRef | None, prior: float, subject: str | None = None) -> SessionPlan:
    """Session of a replay; its names follow from the recording and the run alone, so a restarted daemon goes on with it."""
    name = f"replay-{recording.path.stem[:48]}-{run_id}"
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    header = recording.header
    return SessionPlan(
        session_id=safe,
        recording_id=safe,
        subject=subject or subject_of(recording),
        protocol=REPLAY_PROTOCOL,
        task=header.task if header else "replay",
        soa_ms=header.soa_ms if header else None,
        consent=header.consent if header else None,
        prior=header.prior if header else prior,
        decoder=decoder,
    )


def replay(
    recording: Annotated[Path, typer.Argument(help="XDF, FIF, EDF, BDF, BrainVision, EEGLAB, text of BrainFlow, OpenBCI GUI, Mind Monitor.")],
    speed: Annotated[str, typer.Option(help="Stream seconds per second, or 'max'.")] = "1",
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    markers: Annotated[Optional[Path], typer.Option(help='TOML map: "token/error" = "unit" | "annotation" | "ignore".')] = None,  # noqa: UP045
    decoder: Annotated[Optional[str], typer.Option(help="Decoder of the registry, NAME or NAME@VERSION.")] = None,  # noqa: UP045
    prior: Annotated[float, typer.Option(min=0.001, max=0.999, help="Prior probability of the positive class.")] = DEFAULT_PRIOR,
    run_id: Annotated[Optional[str], typer.Option(help="Name of this run; the same name goes on where it was interrupted.")] = None,  # noqa: UP045
    chunk_samples: Annotated[Optional[int], typer.Option(min=1, help="Samples per chunk.")] = None,  # noqa: UP045
    profile: BoardProfile = None,
    subject: Subject = None,
    accept_quality: AcceptQuality = False,
    data_dir: DataDir = None,
    wait_for_worker: Annotated[bool, typer.Option(help="Faster than 1x, wait for a decoder worker.")] = True,
) -> None:
    """Play a recording as if it were a board. On a terminal: space pauses, left and right move by 10 s, q quits."""
    chosen = settings(data_dir=data_dir)
    log_to_stderr(chosen.log_level)
    pace = parse_speed(speed)
    found = read_checked(recording, board_profile(profile), accept_quality)
    marker_map = read_marker_map(markers) if markers else None
    if marker_map is not None:
        check_markers(marker_map, found)
    reference = resolve_decoder(Registry(chosen.decoders_dir), decoder, found) if decoder else None
    plan_of_session = replay_plan(found, run_id or uuid.uuid4().hex[:8], reference, prior, subject)
    board = ReplayBoard(found, plan_of_session.session_id, pace, marker_map, loop, chunk_samples)
    plan = DaemonPlan(
        data_dir=_folder(chosen),
        server_url=chosen.http_url,
        token=chosen.token or "",
        bus_url=need_bus(chosen),
        own_session=plan_of_session,
        replayed_sha256=found.sha256,
        kernel_set=kernel_set(),
        wait_for_worker=wait_for_worker and (pace > 1 or math.isinf(pace)),
        stay_until_committed=wait_for_worker,
    )
    board.restore(recorded_legs(plan.recordings_dir / f"{plan_of_session.recording_id}.xdf"))

    async def played() -> None:
        await side_by_side(Daemon(plan, board).run(), ReplayConsole(board, recording.name, pace).run())

    run_until_stopped(played)


def decode(data_dir: DataDir = None) -> None:
    """Decode every recording on the bus and give the rewards to the server."""
    chosen = settings(data_dir=data_dir)
    log_to_stderr(chosen.log_level)
    registry = Registry(chosen.decoders_dir)
    plan = WorkerPlan(
        data_dir=_folder(chosen),
        server_url=chosen.http_url,
        token=chosen.token or "",
        bus_url=need_bus(chosen),
        load_decoder=lambda ref: registry.load(ref.name, ref.version),
        fit_command=(sys.executable, "-P", "-m", "rlhb", "fit"),
    )
    run_until_stopped(Worker(plan).run)
