"""What `rlhb doctor` looks at: each check says in a sentence what is there, or what is missing and how to get it.

Checks take what they look at as arguments (paths, folders), so that a test can show them a machine that is not this one.
"""

import os
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from messaging.settings import Settings

LEAST_FREE_BYTES = 2 * 1024**3
SLOWEST_SYNC_S = 0.25
"""The recording is brought to the disk every second; a disk that takes a quarter of it has no reserve."""
FTDI_LATENCY_MS = 1


class State(StrEnum):
    """What a check found."""

    OK = "ok"
    HINT = "hint"
    """It works, but could be better, or is needed for some boards only."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor."""

    state: State
    sentence: str


def ok(sentence: str) -> Check:
    """All well."""
    return Check(State.OK, sentence)


def hint(sentence: str) -> Check:
    """Not needed by everyone."""
    return Check(State.HINT, sentence)


def missing(sentence: str) -> Check:
    """It cannot work like this."""
    return Check(State.MISSING, sentence)


def library(name: str) -> Check:
    """Whether a distribution is installed."""
    try:
        return ok(version(name))
    except PackageNotFoundError:
        return missing(f"not installed; run `pip install {name}` or `make setup`")


def python() -> Check:
    """Whether this Python will do."""
    there = sys.version.split()[0]
    return ok(there) if (3, 11) <= sys.version_info[:2] < (3, 13) else missing(f"{there}; rlhb needs 3.11 or 3.12: make a new environment with one of them")


def brainflow() -> Check:
    """Whether BrainFlow's own library loads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources says on every import that it will go
            from brainflow.board_shim import BoardShim

            number = BoardShim.get_version()
    except Exception as error:  # noqa: BLE001 - a diagnosis: whatever it is, it is shown
        remedy = "run `pip install 'setuptools<82'`" if "pkg_resources" in str(error) else "run `pip install --force-reinstall brainflow`"
        return missing(f"BrainFlow does not load ({_short(error)}); {remedy}")
    return ok(f"BrainFlow {number}")


def liblsl() -> Check:
    """Whether liblsl loads."""
    try:
        import pylsl

        return ok(f"liblsl {pylsl.library_version() / 100:.2f} through pylsl {version('pylsl')}")
    except (ImportError, OSError, RuntimeError) as error:
        return missing(f"liblsl does not load ({_short(error)}); run `pip install --upgrade pylsl`, or install liblsl and set PYLSL_LIB to its file")


def lsl_multicast() -> Check:
    """Whether LSL's discovery can reach the network: a multicast packet to ourselves must come back."""
    group = ("224.0.0.183", 0)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            receiver.bind(("", 0))
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group[0]) + bytes(4))
            receiver.settimeout(0.5)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sender.sendto(b"rlhb", (group[0], receiver.getsockname()[1]))
            receiver.recv(16)
    except OSError as error:
        return hint(
            f"multicast does not come back ({_short(error)}): streams of other machines are not found. Open UDP 16571 and TCP/UDP 16572 to 16604 in the "
            "firewall, or list the machines under KnownPeers in an lsl_api.cfg"
        )
    return ok("multicast works; other machines' streams need UDP 16571 and TCP/UDP 16572 to 16604 open in the firewall")


def disk(folder: Path) -> Check:
    """Room, and how long bringing data to the disk takes."""
    folder = folder.resolve()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / 1024**3:.1f} GiB free at {there}"
    if free <= LEAST_FREE_BYTES:
        return missing(f"{text}; an hour of 64 channels at 1 kHz needs 1 GiB: make room, or set RLHB_DATA_DIR to another disk")
    try:
        slowest = slowest_sync_s(there)
    except OSError as error:
        return missing(f"{there} cannot be written ({_short(error)}); set RLHB_DATA_DIR to a folder of your own")
    text += f", slowest of 5 syncs {slowest * 1e3:.1f} ms"
    return ok(text) if slowest <= SLOWEST_SYNC_S else hint(f"{text}: a slow disk; set RLHB_DATA_DIR to a local one, not a network share or a memory stick")


def slowest_sync_s(folder: Path) -> float:
    """Longest of five writes of 64 KiB that are brought to the disk, seconds."""
    slowest = 0.0
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(5):
            file.write(os.urandom(1 << 16))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(file.fileno())
            slowest = max(slowest, time.perf_counter() - began)
    return slowest


def bus(chosen: Settings) -> Check:
    """Whether there is a bus, or one can be brought along."""
    from rlhb.bus_server import plan_bus_server
    from rlhb.errors import BusServerError

    if chosen.bus_url:
        return ok("RLHB_BUS_URL is set")
    try:
        plan = plan_bus_server()
    except BusServerError as error:
        return missing(str(error))
    shutil.rmtree(plan.folder, ignore_errors=True)
    return ok("embedded Valkey")


def page() -> Check:
    """Whether the page is built."""
    import web_ui

    return ok("built") if web_ui.static_dir() else missing("not built; run `make setup` (needs Node.js 20.19 or newer)")


def port(host: str, number: int) -> Check:
    """Whether the server's port is free."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as error:
        return hint(f"{host}:{number} cannot be taken ({_short(error)}): is rlhb running already? Else choose another with --port or RLHB_PORT")
    return ok(f"{host}:{number} is free")


def _short(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:120].rstrip(".")


def checks(chosen: Settings) -> dict[str, Callable[[], Check]]:
    """All checks by name, in the order in which they are shown."""
    from rlhb import doctor_devices as devices

    return {
        "Python": python,
        "BrainFlow": brainflow,
        "LSL": liblsl,
        "LSL network": lsl_multicast,
        "numba": lambda: library("numba"),
        "torch": lambda: library("torch"),
        "bus": lambda: bus(chosen),
        "page": page,
        "port": lambda: port(chosen.host, chosen.port),
        "disk": lambda: disk(chosen.data_dir),
        "serial port": devices.serial,
        "serial dongle": devices.dongle,
        "Bluetooth": devices.bluetooth,
    }
