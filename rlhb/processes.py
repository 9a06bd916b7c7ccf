"""Child processes of `rlhb up`: started, logged line by line, restarted with back-off, never left behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 5.0
STEADY_S = 20.0
"""Up for this long, a process counts as steady and its back-off begins anew."""
STOP_S = 8.0
NOISE = ("Memory overcommit must be enabled", "scheduling shutdown", "ready to exit, bye bye")
"""Lines of the bus that tell an operator nothing: it saves nothing to disk, and it is ended on purpose."""
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """In the child: be ended when the supervisor dies, however it dies (Linux)."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """A process to be kept running.

    Parameters
    ----------
    name : str
        Word before its lines in the log.
    command : list of str
    environment : dict
        Added to the supervisor's own.
    may_finish : bool
        Ending by itself with exit status 0 means that its work is done; any other process is started again whatever its status.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    may_finish: bool = False
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    ended_with: int | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None


class Supervisor:
    """Runs children until told to stop.

    Parameters
    ----------
    say : callable
        Takes (name, line): the one readable log.
    """

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.children: dict[str, Child] = {}
        self._stopping = False

    def start(self, child: Child) -> None:
        """Begin to keep a child running."""
        self.children[child.name] = child
        self._tasks[child.name] = asyncio.create_task(self._keep(child))

    async def _keep(self, child: Child) -> None:
        wait_s = FIRST_WAIT_S
        while not self._stopping:
            began = time.monotonic()
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                env={**os.environ, **child.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=_die_with_parent,
                limit=1 << 20,
            )
            child.starts += 1
            await self._read(child)
            status = await child.process.wait()
            child.ended_with = status
            if self._stopping or (status == 0 and child.may_finish):
                if not self._stopping:
                    self._say(child.name, "has finished.")
                return
            wait_s = FIRST_WAIT_S if time.monotonic() - began > STEADY_S else wait_s
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            self._say(child.name, f"{how}; it is started again in {wait_s:.1f} s.")
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _read(self, child: Child) -> None:
        assert child.process is not None
        assert child.process.stdout is not None
        while True:
            try:
                line = await child.process.stdout.readline()
            except ValueError:  # longer than the limit: what was read so far is dropped
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip()
            if text and not any(noise in text for noise in NOISE):
                self._say(child.name, text)

    async def stop(self, order: list[str] | None = None) -> None:
        """Stop all children: politely, in order, then for good."""
        self._stopping = True
        names = [n for n in (order or []) if n in self.children] + [n for n in self.children if n not in (order or [])]
        for name in names:
            await self._end(self.children[name])
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _end(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
