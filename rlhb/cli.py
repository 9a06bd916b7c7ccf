"""The command line: one Typer application, one place where faults become sentences."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from acquisition.board import AcquisitionError
from decoders.spec import DecoderError
from hardware_profiles import ProfileError
from messaging.bus import BusError
from messaging.settings import Settings
from messaging.websocket import Refused
from recordings.errors import RecordingError
from rlhb.environment import EnvironmentMisfitError
from rlhb.errors import CommandError

FORESEEN = (CommandError, ProfileError, AcquisitionError, RecordingError, DecoderError, BusError, Refused, EnvironmentMisfitError)


def settings(**given: Any) -> Settings:
    """Settings from the environment, with what the options say on top."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "_".join(str(p) for p in first["loc"])
        raise CommandError(f"The setting RLHB_{name.upper()} (value {first['input']!r}) is wrong: {first['msg']}. Correct it.") from error


def log_to_stderr(level: str) -> None:
    """Lines of a process: level and sentence; the supervisor adds time and name."""
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(message)s", stream=sys.stderr, force=True)
    for noisy in ("websockets", "asyncio", "numba", "matplotlib", "alembic", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def run_until_stopped(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process's main coroutine; SIGTERM and SIGINT end it cleanly."""

    async def wrapped() -> None:
        task = asyncio.ensure_future(main())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as group:
            raise _first(group) from group

    asyncio.run(wrapped())


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def fail(sentence: str) -> NoReturn:
    """End with one sentence on stderr and status 1."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
    raise SystemExit(1)


def run() -> None:
    """Run the application."""
    from rlhb import commands

    app = typer.Typer(name="rlhb", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    commands.register(app, sys.argv[1:])
    try:
        app()
    except FORESEEN as error:
        fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except MemoryError:
        fail("There is not enough memory for this. Close other programs, or take a shorter recording.")
