"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from hardware_profiles import HardwareProfile, load_profile

DEFAULT_PRIOR = 0.2
DataDir = Annotated[Optional[Path], typer.Option("--data-dir", help="Folder of recordings, decoders and labels.")]  # noqa: UP045 - Typer
BoardProfile = Annotated[Optional[str], typer.Option("--profile", help="Board that was recorded, where the file does not say it (BrainFlow's files).")]  # noqa: UP045


Subject = Annotated[
    Optional[str],  # noqa: UP045 - Typer
    typer.Option("--subject", help="Pseudonym of whoever was recorded; without it our own recording's subject, or the sub-… of the file's name."),
]


AcceptQuality = Annotated[bool, typer.Option("--accept-quality", help="Take a recording although its quality says that it cannot be EEG.")]


def board_profile(name: str | None) -> HardwareProfile | None:
    """Read the profile of an option that may be left out."""
    return load_profile(name) if name is not None else None
