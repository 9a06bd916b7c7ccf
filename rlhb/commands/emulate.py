"""`rlhb emulate`: a board that is not there, for whoever works on the software without one."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from numpy.typing import NDArray

from rlhb.errors import CommandError
from rlhb.options import AcceptQuality

emulate_app = typer.Typer(name="emulate", no_args_is_help=True, help="Boards that are not there, for developers.")
TURN_S = 0.05


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(emulate_app)


@emulate_app.callback()
def _boards() -> None:
    """Boards that are not there, for developers."""


@emulate_app.command()
def cyton(
    daisy: Annotated[bool, typer.Option("--daisy", help="With the Daisy: 16 channels at 125 Hz.")] = False,
    recording: Annotated[Optional[Path], typer.Option(help="Play its EEG, over and over; without: sines and the sample number.")] = None,  # noqa: UP045
    port: Annotated[Optional[Path], typer.Option(help="Where the serial port appears; without: in a temporary folder.")] = None,  # noqa: UP045
    drop: Annotated[float, typer.Option(min=0, max=1, help="Share of the packets that get lost.")] = 0.0,
    noise: Annotated[float, typer.Option(min=0, max=1, help="Share of the packets that random bytes follow.")] = 0.0,
    corrupt: Annotated[float, typer.Option(min=0, max=1, help="Share of the packets that are random bytes.")] = 0.0,
    speed: Annotated[float, typer.Option(min=0.1, max=4, help="Rate over the nominal one: 0.8 slow, 1.00005 is 50 ppm fast.")] = 1.0,
    burst: Annotated[int, typer.Option(min=1, max=100, help="Packets that arrive together.")] = 1,
    kohm: Annotated[str, typer.Option(help="Resistance of the electrodes, one number or one a channel: 5,20,100,...")] = "10",
    unplug: Annotated[Optional[str], typer.Option(help="EVERY,FOR seconds: pull the dongle out again and again, e.g. 30,5.")] = None,  # noqa: UP045
    stall: Annotated[Optional[str], typer.Option(help="EVERY,FOR seconds: radio silence, again and again.")] = None,  # noqa: UP045
    power: Annotated[Optional[str], typer.Option(help="EVERY,FOR seconds: the board without power, again and again.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 1,
    accept_quality: AcceptQuality = False,
) -> None:
    """Emulate an OpenBCI Cyton on a pseudo-terminal; prints the serial port to put into a profile. Ends with Ctrl-C."""
    if os.name != "posix":
        raise CommandError("The emulated board needs pseudo-terminals, which this system does not have. Use Linux or macOS, or BrainFlow's synthetic board.")
    from acquisition.emulator.serial_cyton import CytonFaults, SerialCyton
    from acquisition.emulator.signals import Electrodes, PlayedSignal

    n_channels, rate_hz = (16, 125) if daisy else (8, 250)
    played = PlayedSignal(_eeg(recording, n_channels, rate_hz, accept_quality)) if recording is not None else None
    rhythms = {name: _rhythm(name, text) for name, text in (("unplug", unplug), ("stall", stall), ("power", power)) if text is not None}
    where = port or Path(tempfile.mkdtemp(prefix="rlhb-cyton-")) / "port"
    emulated = SerialCyton(where, played, daisy, Electrodes(_resistance(kohm, n_channels)), seed)
    emulated.faults = CytonFaults(drop_fraction=drop, noise_fraction=noise, corrupt_fraction=corrupt, speed=speed, burst=burst)
    switches = {
        "unplug": lambda on: emulated.unplug() if on else emulated.plug(),
        "stall": lambda on: setattr(emulated.faults, "stalled", on),
        "power": lambda on: emulated.power(not on),
    }
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us in its background, with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    began, is_on = time.monotonic(), dict.fromkeys(rhythms, False)
    try:
        with contextlib.suppress(KeyboardInterrupt), emulated:
            typer.echo(str(where))
            while True:
                time.sleep(TURN_S)
                for name, (every_s, for_s) in rhythms.items():
                    on = (time.monotonic() - began) % (every_s + for_s) >= every_s
                    if on != is_on[name]:
                        is_on[name] = on
                        switches[name](on)
                        typer.echo(f"{name}: {'now' if on else 'over'}", err=True)
    except OSError as error:
        raise CommandError(f"The serial port {where} cannot be made: {error.strerror or error}. Choose another with --port.") from error
    finally:
        if port is None:
            shutil.rmtree(where.parent, ignore_errors=True)


def _rhythm(name: str, text: str) -> tuple[float, float]:
    """Read EVERY,FOR."""
    try:
        every_s, for_s = (float(part) for part in text.split(","))
    except ValueError:
        every_s = for_s = 0.0
    if every_s <= 0 or for_s <= 0:
        raise CommandError(f"--{name} is '{text}'; give two numbers of seconds above 0, every and for, such as 30,5.")
    return every_s, for_s


def _resistance(text: str, n_channels: int) -> NDArray[np.float64]:
    """Read the electrodes' resistance, ohm."""
    try:
        kohm = [float(part) for part in text.split(",")]
    except ValueError:
        kohm = []
    if len(kohm) not in (1, n_channels) or min(kohm) < 0:
        raise CommandError(f"--kohm is '{text}'; give one number, or {n_channels} with commas between, all 0 or above.")
    return np.full(n_channels, 1e3) * kohm


def _eeg(path: Path, n_channels: int, rate_hz: int, accept: bool) -> NDArray[np.float64]:
    """(n_samples, n_channels) microvolt of a recording at the board's rate; channels that it does not have are 0."""
    from scipy.signal import resample_poly

    from rlhb.recording_quality import read_checked

    found = read_checked(path, accept=accept)
    samples = np.nan_to_num(found.samples[:, :n_channels].astype(np.float64))
    ratio = Fraction(rate_hz / found.sampling_rate_hz).limit_denominator(2000)
    played = np.zeros((0, 0)) if not len(samples) else samples if ratio == 1 else resample_poly(samples, ratio.numerator, ratio.denominator, axis=0)
    if not played.size:
        raise CommandError(f"The recording {path} holds no samples to play. Choose another.")
    return np.pad(played, ((0, 0), (0, n_channels - played.shape[1])))
