"""Which program wrote a text file, by what stands at its beginning."""

from pathlib import Path

from hardware_profiles import HardwareProfile
from recordings.errors import RecordingError
from recordings.recording import Recording
from recordings.text_table import open_text

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")


def read_text(path: Path, profile: HardwareProfile | None = None) -> Recording:
    """Read a text recording: OpenBCI GUI, Mind Monitor, BrainFlow.

    Parameters
    ----------
    path : Path
    profile : HardwareProfile, optional
        Board that was recorded: needed for BrainFlow's files, names the electrodes of the OpenBCI GUI's.

    Raises
    ------
    RecordingError
        No known program wrote it, it is cut or damaged, or the profile does not fit.
    """
    first = _first_line(path)
    if first.startswith("%OpenBCI"):
        from recordings.openbci_text import read_openbci_text

        return read_openbci_text(path, profile)
    from recordings.mind_monitor import is_mind_monitor, read_mind_monitor

    if is_mind_monitor(first):
        return read_mind_monitor(path)
    if _numbers(first):
        from recordings.brainflow_text import read_brainflow_text

        return read_brainflow_text(path, profile)
    known = "the OpenBCI GUI ('%OpenBCI ...'), Mind Monitor ('TimeStamp,...RAW_...') and BrainFlow (numbers only)"
    raise RecordingError(f"{path} starts with '{first[:40]}', which no known program writes; known are {known}. Check what it is, or whether it is cut.")


def _first_line(path: Path) -> str:
    with open_text(path) as file:
        try:
            return file.readline(1 << 16).rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise RecordingError(f"{path} is no text recording: {error.reason}. Check what it is.") from error


def _numbers(line: str) -> bool:
    cells = line.split("\t" if "\t" in line else ",")
    try:
        return len(cells) > 3 and all(float(cell) is not None for cell in cells)
    except ValueError:
        return False
