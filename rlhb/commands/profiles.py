"""`rlhb profiles`: the boards there are, a copy with settings of one's own, and the proof against a live board."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from hardware_profiles import HardwareProfile, load_profile, profile_names
from rlhb.errors import CommandError
from rlhb.profile_text import profile_name, profile_table, profile_toml

if TYPE_CHECKING:
    from rlhb.live_check import LiveFigures

app = typer.Typer(name="profiles", no_args_is_help=True, help="Boards and amplifiers.")
NameOrFile = Annotated[str, typer.Argument(metavar="NAME|FILE", help="Name of a shipped profile, or a TOML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer for programs.")]
STYLES = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


@app.command("list")
def list_profiles(as_json: AsJson = False) -> None:
    """List the shipped profiles."""
    found = [load_profile(name) for name in profile_names()]
    if as_json:
        rows = [
            {"name": p.name, "title": p.title, "channels": len(p.channels), "eeg_channels": len(p.eeg_names), "sampling_rate_hz": p.sampling_rate_hz}
            for p in found
        ]
        typer.echo(json.dumps(rows))
        return
    table = Table(Column("name", no_wrap=True, min_width=max(len(p.name) for p in found)), "EEG + more channels", "rate (Hz)", "title")
    for p in found:
        table.add_row(p.name, _counted(p), f"{p.sampling_rate_hz:g}" if p.sampling_rate_hz else "as recorded", p.title)
    Console().print(table)


def _counted(profile: HardwareProfile) -> str:
    n_eeg = sum(c.kind == "eeg" for c in profile.channels)
    n_more = len(profile.channels) - n_eeg
    return f"{n_eeg} + {n_more}" if n_more else str(n_eeg or "as recorded")


@app.command("show")
def show_profile(
    name: NameOrFile,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Only the table of facts, as the board's page in the docs has it.")] = False,
) -> None:
    """Show a profile: channels, reference, ground, how to wire it."""
    found = load_profile(name)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    if markdown:
        typer.echo(profile_table(found))
        return
    typer.echo(found.title)
    for line in profile_table(found).splitlines()[2:]:
        fact, value = line.strip("| ").split(" | ", 1)
        typer.echo(f"  {fact}: {value.replace('`', '')}")
    for word, text in (("EOG", found.eog), ("Wiring", found.wiring)):
        if text:
            typer.echo(f"{word}: {' '.join(text.split())}")


@app.command("copy")
def copy_profile(
    name: NameOrFile,
    file: Annotated[Path, typer.Argument(help="New TOML file; its name becomes the profile's.")],
    mains_hz: Annotated[Optional[int], typer.Option(min=50, max=60, help="50, or 60 as in the Americas.")] = None,  # noqa: UP045 - Typer
    serial_port: Annotated[Optional[str], typer.Option(help="Port of the dongle, e.g. /dev/ttyUSB1 or COM3.")] = None,  # noqa: UP045
    mac_address: Annotated[Optional[str], typer.Option(help="Bluetooth address of the board.")] = None,  # noqa: UP045
    serial_number: Annotated[Optional[str], typer.Option(help="Serial number, where the driver picks by it.")] = None,  # noqa: UP045
    ip_address: Annotated[Optional[str], typer.Option(help="Address of the board, or of the multicast group.")] = None,  # noqa: UP045
    ip_port: Annotated[Optional[int], typer.Option(help="Port.")] = None,  # noqa: UP045
    stream_name: Annotated[Optional[str], typer.Option(help="LSL: name of the stream.")] = None,  # noqa: UP045
    source_id: Annotated[Optional[str], typer.Option(help="LSL: source id of the stream.")] = None,  # noqa: UP045
) -> None:
    """Copy a profile into a file of your own, with this place's mains, port or address; then edit the file."""
    given: dict[str, Any] = {
        "serial_port": serial_port, "mac_address": mac_address, "serial_number": serial_number, "ip_address": ip_address, "ip_port": ip_port,
        "stream_name": stream_name, "source_id": source_id,
    }  # fmt: skip
    copied = with_settings(load_profile(name), profile_name(file.stem), mains_hz, {k: v for k, v in given.items() if v is not None})
    if file.suffix != ".toml":
        raise CommandError(f"{file}: a profile is a .toml file. Give it that ending.")
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(profile_toml(copied))
    except FileExistsError:
        raise CommandError(f"{file} is there already. Choose another name, or remove it first.") from None
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror or error}. Choose another folder.") from error
    typer.echo(f"{file}: a copy of {name}. Check it with `rlhb profiles check {file} --live`, then `rlhb up --profile {file}`.")


def with_settings(profile: HardwareProfile, name: str, mains_hz: int | None, driver: dict[str, Any]) -> HardwareProfile:
    """Return the profile under another name, with another mains frequency (50 or 60 Hz) and other fields of its driver."""
    if mains_hz not in (None, 50, 60):
        raise CommandError(f"--mains-hz {mains_hz}: mains has 50 or 60 Hz.")
    mains: Literal[50, 60] = 60 if (mains_hz or profile.mains_hz) == 60 else 50
    changed = profile.driver.model_dump(exclude_unset=True) | driver
    fields = profile.model_dump(exclude_unset=True) | {"name": name, "mains_hz": mains, "driver": changed}
    return HardwareProfile.model_validate(fields)


@app.command("check")
def check_profile(
    profile: NameOrFile,
    live: Annotated[bool, typer.Option("--live", help="Open the board and measure rate, channels, unit, drift, loss and jitter.")] = False,
    seconds: Annotated[float, typer.Option(min=4, max=600, help="How long to measure.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Check a profile: every field, the driver's own description, and with --live the board itself."""
    from rlhb.live_check import judge_live, open_board

    found = load_profile(profile)
    if not live:
        if found.driver.kind == "brainflow":
            open_board(found)
        _tell_file(found, as_json)
        return
    findings = judge_live(found, _measured(found, seconds))
    failed = any(f.verdict == "fail" for f in findings)
    if as_json:
        listed = [{"what": f.what, "verdict": f.verdict, "value": f.value, "sentence": f.sentence} for f in findings]
        typer.echo(json.dumps({"profile": found.name, "ok": not failed, "seconds": seconds, "findings": listed}))
    else:
        table = Table("", "what", f"{found.name}, {seconds:g} s")
        for f in findings:
            table.add_row(STYLES[f.verdict], f.what, f.sentence)
        Console().print(table)
    if failed:
        raise typer.Exit(1)


def _tell_file(found: HardwareProfile, as_json: bool) -> None:
    what = f"{len(found.channels)} channels at {found.sampling_rate_hz:g} Hz" if found.channels else "channels and rate as recorded"
    answer = {"profile": found.name, "ok": True, "findings": []}
    typer.echo(json.dumps(answer) if as_json else f"{found.name}: {what}; nothing wrong with the profile.")


def _measured(found: HardwareProfile, seconds: float) -> "LiveFigures":
    """Measure with a progress bar on stderr."""
    from rlhb.live_check import measure_live, open_board

    board = open_board(found)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"opening {found.title}", total=seconds)
        return asyncio.run(measure_live(board, seconds, lambda done: bar.update(task, description="measuring", completed=done)))
