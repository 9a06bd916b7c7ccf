"""What is being done and how far it is, on stderr: for whatever may take more than two seconds."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress_bar() -> Iterator[Callable[[str, float], None]]:
    """Show a bar that goes away at the end; yields a function that takes what is being done and the finished fraction."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=1.0)
        yield lambda what, done: bars.update(task, description=what, completed=done)


@contextmanager
def progress_lines() -> Iterator[Callable[[str, float], None]]:
    """Write progress to stderr as lines of JSON, for a program that follows: ``{"what", "fraction"}``."""

    def tell(what: str, done: float) -> None:
        sys.stderr.write(json.dumps({"what": what, "fraction": round(done, 3)}) + "\n")
        sys.stderr.flush()

    yield tell
