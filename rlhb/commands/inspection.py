"""`rlhb doctor` and `rlhb profiles`: what is there, what is missing, and how to get it."""

import json
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hardware_profiles import load_profile, profile_names
from rlhb.cli import settings

LEAST_FREE_BYTES = 2 * 1024**3
profiles_app = typer.Typer(name="profiles", no_args_is_help=True, help="Boards and amplifiers.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(doctor)
    app.add_typer(profiles_app)


@profiles_app.command("list")
def list_profiles(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the shipped profiles."""
    found = [load_profile(name) for name in profile_names()]
    if as_json:
        typer.echo(json.dumps([{"name": p.name, "title": p.title, "channels": len(p.channels), "sampling_rate_hz": p.sampling_rate_hz} for p in found]))
        return
    table = Table("name", "channels", "rate (Hz)", "title")
    for p in found:
        table.add_row(p.name, str(len(p.channels) or "as recorded"), f"{p.sampling_rate_hz:g}" if p.sampling_rate_hz else "as recorded", p.title)
    Console().print(table)


@profiles_app.command("show")
def show_profile(name: str, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show a shipped profile or a file."""
    found = load_profile(name)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    typer.echo(f"{found.title}\n{len(found.channels)} channels at {found.sampling_rate_hz:g} Hz: {', '.join(found.channel_names)}")
    typer.echo(f"reference {found.reference}, ground {found.ground}, mains {found.mains_hz} Hz\n{found.wiring}")


@profiles_app.command("check")
def check_profile(file: str) -> None:
    """Check a profile file: every field, and whether BrainFlow's board has that rate and those channels."""
    found = load_profile(file)
    if found.driver.kind == "brainflow":
        from acquisition.brainflow_board import BrainFlowBoard

        BrainFlowBoard(found)
    typer.echo(f"{found.name}: {len(found.channels)} channels at {found.sampling_rate_hz:g} Hz; nothing wrong with the profile.")


def _library(name: str) -> Callable[[], tuple[bool, str]]:
    def check() -> tuple[bool, str]:
        try:
            return True, version(name)
        except PackageNotFoundError:
            return False, f"missing; run `pip install {name}` or `make setup`"

    return check


def _liblsl() -> tuple[bool, str]:
    try:
        import pylsl

        return True, f"liblsl {pylsl.library_version()}"
    except (ImportError, OSError, RuntimeError) as error:
        return False, f"liblsl does not load ({error}); install liblsl and set PYLSL_LIB"


def _brainflow() -> tuple[bool, str]:
    try:
        from brainflow.board_shim import BoardShim

        return True, f"BrainFlow {BoardShim.get_version()}"
    except Exception as error:  # noqa: BLE001 - a diagnosis: whatever it is, it is shown
        return False, f"BrainFlow does not load ({error}); it needs setuptools < 82"


def _bus() -> tuple[bool, str]:
    from rlhb.bus_server import plan_bus_server
    from rlhb.errors import BusServerError

    chosen = settings()
    if chosen.bus_url:
        return True, "RLHB_BUS_URL is set"
    try:
        plan = plan_bus_server()
    except BusServerError as error:
        return False, str(error)
    shutil.rmtree(plan.folder, ignore_errors=True)
    return True, "embedded Valkey"


def _page() -> tuple[bool, str]:
    import web_ui

    return (True, "built") if web_ui.static_dir() else (False, "not built; run `make setup` (needs Node.js 20.19 or newer)")


def _disk() -> tuple[bool, str]:
    folder = settings().data_dir.resolve()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / 1024**3:.1f} GiB free at {there}"
    return (free > LEAST_FREE_BYTES, text if free > LEAST_FREE_BYTES else f"{text}; a session of an hour needs up to 1 GiB, make room")


def _serial() -> tuple[bool, str]:
    import grp
    import os

    ports = [p for pattern in ("ttyUSB*", "ttyACM*") for p in Path("/dev").glob(pattern)]
    if not ports:
        return True, "no serial dongle is plugged in"
    closed = [p for p in ports if not os.access(p, os.R_OK | os.W_OK)]
    if closed:
        group = grp.getgrgid(closed[0].stat().st_gid).gr_name
        return False, f"{closed[0]} may not be opened; run `sudo usermod -aG {group} $USER` and log in again"
    return True, ", ".join(map(str, ports))


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "Python": lambda: ((3, 11) <= sys.version_info[:2] < (3, 13), sys.version.split()[0]),
    "BrainFlow": _brainflow,
    "LSL": _liblsl,
    "numba": _library("numba"),
    "torch": _library("torch"),
    "bus": _bus,
    "page": _page,
    "disk": _disk,
    "serial port": _serial,
}


def doctor(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Tell what is missing on this machine and how to get it."""
    found = {name: check() for name, check in CHECKS.items()}
    if as_json:
        typer.echo(json.dumps({name: {"ok": ok, "sentence": sentence} for name, (ok, sentence) in found.items()}))
    else:
        table = Table("", "what", "found")
        for name, (ok, sentence) in found.items():
            table.add_row("[green]ok[/]" if ok else "[red]missing[/]", name, sentence)
        Console().print(table)
    if not all(ok for ok, _ in found.values()):
        raise typer.Exit(1)
