"""Serial dongles and Bluetooth: what keeps a board from being opened, and how to mend it."""

import os
import shutil
import socket
from pathlib import Path

from rlhb.doctor import FTDI_LATENCY_MS, Check, hint, missing, ok

FTDI_OF_OPENBCI = ("0403", "6015")
"""Vendor and product of the FT231X in OpenBCI's dongle; brltty takes that for a Braille display."""
DBUS_SOCKETS = ("run/dbus/system_bus_socket", "var/run/dbus/system_bus_socket")


def serial(root: Path = Path("/")) -> Check:
    """Whether the dongle's port may be opened.

    Parameters
    ----------
    root : Path
        Where ``dev/`` is.
    """
    ports = _ports(root)
    if not ports:
        return ok("no serial dongle is plugged in (needed for OpenBCI Cyton, and Ganglion over a dongle)")
    closed = [p for p in ports if not os.access(p, os.R_OK | os.W_OK)]
    if closed:
        return missing(f"{closed[0]} may not be opened; run `sudo usermod -aG {_group(closed[0])} $USER`, then log out and in again")
    return ok(", ".join(map(str, ports)))


def _ports(root: Path) -> list[Path]:
    return sorted(p for pattern in ("ttyUSB*", "ttyACM*", "cu.usbserial*") for p in (root / "dev").glob(pattern))


def _group(port: Path) -> str:
    import grp  # not on Windows

    try:
        name = grp.getgrgid(port.stat().st_gid).gr_name
    except KeyError:
        return "dialout"
    # A port that nobody's group may open belongs to root: distributions give serial ports to dialout, or uucp.
    return name if name != "root" else "dialout"


def dongle(root: Path = Path("/")) -> Check:
    """Whether something takes the FTDI dongle away, and whether its latency timer is short.

    Parameters
    ----------
    root : Path
        Where ``sys/`` and the rest are.
    """
    devices = [d for d in (root / "sys/bus/usb/devices").glob("*") if (_text(d / "idVendor"), _text(d / "idProduct")) == FTDI_OF_OPENBCI]
    grabbing = _brltty(root)
    if devices and not _ports(root):
        if grabbing:
            return missing(f"brltty ({grabbing}) takes OpenBCI's dongle for a Braille display; run `sudo apt-get remove brltty`, then plug the dongle in again")
        return missing("a dongle (FTDI FT231X) is plugged in but has no port; run `sudo modprobe ftdi_sio`, then plug it in again")
    slow = [f for f in sorted((root / "sys/bus/usb-serial/devices").glob("*/latency_timer")) if _text(f).isdigit() and int(_text(f)) > FTDI_LATENCY_MS]
    if slow:
        said = f"the latency timer of {slow[0].parent.name} is {_text(slow[0])} ms, so samples come in bursts"
        return hint(f"{said}; run `echo {FTDI_LATENCY_MS} | sudo tee {slow[0]}` (docs/boards/openbci_cyton.md has a udev rule that lasts)")
    if grabbing:
        return hint(
            f"brltty is installed ({grabbing}): it may take OpenBCI's dongle for a Braille display; if no port appears, run `sudo apt-get remove brltty`"
        )
    return ok("nothing takes a dongle away" + ("; its latency timer is short" if _ports(root) else ""))


def _brltty(root: Path) -> str | None:
    for path in ("usr/sbin/brltty", "sbin/brltty", "usr/bin/brltty", "bin/brltty"):
        if (root / path).exists():
            return f"/{path}"
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def bluetooth(root: Path = Path("/")) -> Check:
    """Whether BrainFlow's own Bluetooth can work: an adapter, D-Bus and BlueZ; needed for Muse, Ganglion, Unicorn only.

    Parameters
    ----------
    root : Path
        Where ``sys/`` and ``run/`` are.
    """
    for_whom = "needed for Muse, Ganglion and Unicorn only"
    if os.name != "posix" or not (root / "sys").is_dir():
        return ok(f"looked at on Linux only; {for_whom}")
    adapters = sorted(p.name for p in (root / "sys/class/bluetooth").glob("hci*") if ":" not in p.name)
    if not adapters:
        return hint(f"no Bluetooth adapter; plug one in (Bluetooth 4.0 or newer), and look with `rfkill list`; {for_whom}")
    blocked = [k for k in (root / "sys/class/rfkill").glob("*") if _text(k / "type") == "bluetooth" and "1" in (_text(k / "soft"), _text(k / "hard"))]
    if blocked:
        return hint(f"{adapters[0]} is switched off; run `sudo rfkill unblock bluetooth`; {for_whom}")
    if not any(_answers(root / path) for path in DBUS_SOCKETS):
        return hint(f"{adapters[0]} is there, but D-Bus does not run; run `sudo apt-get install dbus bluez`, `sudo systemctl start dbus`; {for_whom}")
    if not any((root / p).exists() for p in ("usr/libexec/bluetooth/bluetoothd", "usr/lib/bluetooth/bluetoothd", "usr/sbin/bluetoothd")):
        return hint(f"{adapters[0]} is there, but BlueZ is not; run `sudo apt-get install bluez`, `sudo systemctl enable --now bluetooth`; {for_whom}")
    return ok(f"{', '.join(adapters)}, D-Bus and BlueZ" + ("" if shutil.which("bluetoothctl") else "; bluetoothctl is missing (package bluez)"))


def _answers(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0.5)
            probe.connect(str(path))
    except OSError:
        return False
    return True
