"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Optional

import typer

DEFAULT_PRIOR = 0.2
DataDir = Annotated[Optional[Path], typer.Option("--data-dir", help="Folder of recordings, decoders and labels.")]  # noqa: UP045 - Typer
