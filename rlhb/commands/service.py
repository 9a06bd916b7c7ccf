"""`rlhb up` and `rlhb serve`."""

import asyncio
import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from hardware_profiles import load_profile
from messaging.records import DecoderRef
from messaging.settings import Settings
from rlhb.cli import fail, log_to_stderr, settings
from rlhb.demo import DemoSubject
from rlhb.errors import CommandError
from rlhb.options import AcceptQuality, DataDir, Subject

SIMULATED = "simulated_subject"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    app.command()(serve)


def serve(
    host: Annotated[Optional[str], typer.Option(help="Address to listen on.")] = None,  # noqa: UP045 - Typer
    port: Annotated[Optional[int], typer.Option(help="Port; 0 takes a free one.")] = None,  # noqa: UP045
    data_dir: DataDir = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen on another address than loopback without TLS.")] = False,
) -> None:
    """Run the session server."""
    from server.errors import ServerError
    from server.serving import serve as run_server

    chosen = settings(host=host, port=port, data_dir=data_dir, insecure=insecure or None)
    log_to_stderr(chosen.log_level)
    try:
        run_server(chosen)
    except ServerError as error:
        fail(str(error))


def up(
    profile: Annotated[Optional[str], typer.Option(help="Profile of the board; the simulated subject without one.")] = None,  # noqa: UP045
    replay: Annotated[Optional[Path], typer.Option(help="Replay this recording instead of a board.")] = None,  # noqa: UP045
    decoder: Annotated[Optional[str], typer.Option(help="Decoder of the registry, NAME or NAME@VERSION.")] = None,  # noqa: UP045
    speed: Annotated[str, typer.Option(help="Speed of a replay: a number, or 'max'.")] = "1",
    loop: Annotated[bool, typer.Option("--loop", help="Replay again and again.")] = False,
    markers: Annotated[Optional[Path], typer.Option(help="Replay: TOML map of event descriptions.")] = None,  # noqa: UP045
    subject: Subject = None,
    accept_quality: AcceptQuality = False,
    data_dir: DataDir = None,
    host: Annotated[Optional[str], typer.Option(help="Address to listen on.")] = None,  # noqa: UP045
    port: Annotated[Optional[int], typer.Option(help="Port of the server.")] = None,  # noqa: UP045
    demo: Annotated[Optional[bool], typer.Option("--demo/--no-demo", help="Also play the subject (simulated subject only).")] = None,  # noqa: UP045
    effect: Annotated[float, typer.Option(min=0, help="Size of the simulated subject's responses; 0 for none.")] = 1.0,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen on another address than loopback without TLS.")] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
) -> None:
    """Start everything on this machine and print the address."""
    from rlhb.up import Up, UpPlan, check_port, lock_folder
    from server.serving import is_loopback

    chosen = settings(host=host, port=port, data_dir=data_dir, insecure=insecure or None)
    if not chosen.insecure and not is_loopback(chosen.host):
        raise CommandError(f"`rlhb up` on {chosen.host} has no TLS. Say --insecure if the network is trusted, or run `rlhb serve` with RLHB_TLS_CERT.")
    if insecure:
        os.environ["RLHB_INSECURE"] = "true"  # for the server that is started
    if replay is not None and profile is not None:
        raise CommandError("Give --profile or --replay, not both: a replay brings its own channels.")
    simulated = replay is None and (profile is None or load_profile(profile).driver.kind == SIMULATED)
    if demo and not simulated:
        raise CommandError("--demo plays a subject that does not exist: it is for the simulated subject only. Leave it out for hardware and replays.")
    if replay is None and (speed != "1" or loop or markers is not None or subject is not None or accept_quality):
        raise CommandError("--speed, --loop, --markers, --subject and --accept-quality are for a replay: give --replay RECORDING, or leave them out.")
    with_demo = simulated if demo is None else demo
    bound = check_port(chosen.host, chosen.port)
    lock = lock_folder(chosen.data_dir)
    with lock:
        daemon, reference = _daemon(chosen, profile, replay, decoder, ReplayOptions(speed, loop, markers, subject, accept_quality))
        plan_demo = _prepare_demo(chosen, reference, effect) if with_demo else None
        if simulated:
            daemon += ["--effect", str(effect), *subject_keys()]
        plan = UpPlan(
            data_dir=chosen.data_dir.resolve(),
            host=chosen.host,
            port=bound,
            bus_url=chosen.bus_url,
            daemon=daemon,
            demo=plan_demo,
            browser=browser and bool(_display()),
            log_level=chosen.log_level,
        )
        asyncio.run(Up(plan).run())


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a recording is replayed."""

    speed: str
    loop: bool
    markers: Path | None
    subject: str | None
    accept_quality: bool

    def arguments(self) -> list[str]:
        """Options of `rlhb replay`, the speed left out."""
        found = ["--loop"] if self.loop else []
        found += ["--accept-quality"] if self.accept_quality else []
        found += ["--markers", str(self.markers.resolve())] if self.markers else []
        return [*found, "--subject", self.subject] if self.subject else found


def _display() -> str | None:
    return "macos" if sys.platform == "darwin" else os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")


def _daemon(chosen: Settings, profile: str | None, replay: Path | None, decoder: str | None, options: ReplayOptions) -> tuple[list[str], DecoderRef | None]:
    """Check what the daemon will need, before anything is started; returns its command."""
    from acquisition.markers import check_markers, read_marker_map
    from acquisition.replay_board import parse_speed
    from decoders.registry import Registry
    from rlhb.decoder_choice import check_fit, resolve_decoder
    from rlhb.recording_quality import read_checked

    registry = Registry(chosen.decoders_dir)
    if replay is None:
        found = load_profile(profile or SIMULATED)
        reference = resolve_decoder(registry, decoder) if decoder else None
        if reference is not None:
            check_fit(registry.load(reference.name, reference.version), found.sampling_rate_hz, found.channel_names, f"profile {found.name}")
        return ["acquire", "--profile", profile or SIMULATED], reference
    parse_speed(options.speed)
    recording = read_checked(replay, accept=options.accept_quality)
    if options.markers is not None:
        check_markers(read_marker_map(options.markers), recording)
    command = ["replay", str(replay.resolve()), "--speed", options.speed, "--run-id", uuid.uuid4().hex[:8], *options.arguments()]
    if decoder is None:
        return command, None
    reference = resolve_decoder(registry, decoder, recording)
    return [*command, "--decoder", f"{reference.name}@{reference.version}"], reference


def subject_keys() -> list[str]:
    """Options that tell the simulated subject every shipped item set, so that it knows what is wrong in whatever a session shows it."""
    from rlhb.items import item_file, shipped_item_sets

    return [part for name in shipped_item_sets() for part in ("--subject-key", str(item_file(name)))]


def _prepare_demo(chosen: Settings, reference: DecoderRef | None, effect: float) -> tuple[DemoSubject, DecoderRef]:
    """Calibrate the simulated subject, unless it was done at an earlier start."""
    from rlhb.demo_calibration import demo_decoder

    subject = DemoSubject(effect_scale=effect)
    if reference is not None:
        return subject, reference
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("preparing the simulated subject", total=1.0)
        return subject, demo_decoder(chosen.data_dir, subject, lambda what, done: bars.update(task, description=what, completed=done))
