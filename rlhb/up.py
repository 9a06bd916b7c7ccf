"""`rlhb up`: every process on this machine, one readable log, one address."""

import asyncio
import contextlib
import fcntl
import logging
import secrets
import shutil
import signal
import socket
import sys
import time
import webbrowser
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import httpx

from messaging.records import DecoderRef
from rlhb.bus_server import BusServer, plan_bus_server
from rlhb.demo import DemoSessions, DemoSubject
from rlhb.errors import CommandError
from rlhb.processes import Child, Supervisor

READY_WITHIN_S = 60.0
STOP_ORDER = ["daemon", "worker", "server", "bus"]


@dataclass(frozen=True, slots=True)
class UpPlan:
    """What is to be started."""

    data_dir: Path
    host: str
    port: int
    bus_url: str | None
    daemon: list[str]
    """Arguments of the daemon's command, after ``rlhb``."""
    demo: tuple[DemoSubject, DecoderRef] | None
    browser: bool
    log_level: str


def check_port(host: str, port: int) -> int:
    """Make sure that a port is free; returns it, or a free one for 0.

    Raises
    ------
    CommandError
        Another program has it, or it may not be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            sentence = f"Port {port} on {host} cannot be had: {error.strerror}."
            raise CommandError(f"{sentence} End the program that uses it, or choose another with --port.") from error
        return int(probe.getsockname()[1])


def lock_folder(data_dir: Path) -> IO[str]:
    """Own a data folder while this process lives.

    Raises
    ------
    CommandError
        Another `rlhb up` owns it, or it cannot be written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "up.lock").open("a+")
    except OSError as error:
        raise CommandError(f"The data folder {data_dir} cannot be used: {error.strerror}. Choose another with --data-dir.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise CommandError(f"Another `rlhb up` is using {data_dir}. End it, or choose another folder with --data-dir.") from error
    return lock


class Log:
    """The one readable log: on the screen and in ``rlhb.log``."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, name: str, line: str) -> None:
        """Write one line with time and the process's name."""
        text = f"{datetime.now().astimezone():%H:%M:%S} {name:<7} {line}"
        self._file.write(text + "\n")
        self._file.flush()
        with contextlib.suppress(BrokenPipeError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


class Up:
    """Starts everything, says when it is ready, and stops everything.

    Parameters
    ----------
    plan : UpPlan
    """

    def __init__(self, plan: UpPlan) -> None:
        self._plan = plan
        self._token = secrets.token_urlsafe(24)
        self._url = f"http://{f'[{plan.host}]' if ':' in plan.host else plan.host}:{plan.port}"
        self._say = Log(plan.data_dir / "rlhb.log")
        self._supervisor = Supervisor(self._say)
        self._bus: BusServer | None = None

    async def run(self) -> None:
        """Run until SIGINT or SIGTERM."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        work = asyncio.create_task(self._work())
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, waiting):
                task.cancel()
            await asyncio.gather(work, waiting, return_exceptions=True)
            self._say("up", "stopping.")
            await self._supervisor.stop(STOP_ORDER)
            if self._bus is not None:
                shutil.rmtree(self._bus.folder, ignore_errors=True)

    async def _work(self) -> None:
        logging.basicConfig(level=logging.WARNING, format="%(message)s", force=True)
        self._say("up", f"starting server, worker, daemon and bus in {self._plan.data_dir}; this takes about ten seconds.")
        self._start()
        await self._until_ready()
        demo = await self._begin_demo()
        session = f"/operator/{demo.session_id}" if demo else "/"
        address = f"{self._url}{session if demo else '/'}?token={self._token}"
        sys.stdout.write(f"ready {self._url}/?token={self._token}\n")
        sys.stdout.flush()
        if self._plan.browser:
            webbrowser.open(address)
        if demo is not None:
            await demo.play()
        await asyncio.Event().wait()

    def _start(self) -> None:
        plan = self._plan
        bus_url = plan.bus_url
        if bus_url is None:
            self._bus = plan_bus_server()
            bus_url = self._bus.url
            self._supervisor.start(Child("bus", self._bus.command))
        environment = {
            "RLHB_DATA_DIR": str(plan.data_dir),
            "RLHB_BUS_URL": bus_url,
            "RLHB_HOST": plan.host,
            "RLHB_PORT": str(plan.port),
            "RLHB_SERVER_URL": self._url,
            "RLHB_TOKEN": self._token,
            "RLHB_LOG_LEVEL": plan.log_level,
            "PYTHONUNBUFFERED": "1",
        }
        rlhb = [sys.executable, "-P", "-m", "rlhb"]  # -P: nothing in the folder we were started in is ours
        for name, arguments in (("server", ["serve"]), ("worker", ["decode"]), ("daemon", plan.daemon)):
            self._supervisor.start(Child(name, rlhb + arguments, environment, may_finish=arguments[0] == "replay"))

    async def _until_ready(self) -> None:
        """Wait for server, daemon and worker.

        Raises
        ------
        CommandError
            A process keeps failing; its last sentences are in the log.
        """
        deadline = time.monotonic() + READY_WITHIN_S
        reasons: object = "the server does not answer"
        async with httpx.AsyncClient(base_url=self._url, headers={"Authorization": f"Bearer {self._token}"}, timeout=5) as client:
            while time.monotonic() < deadline:
                failing = [c.name for c in self._supervisor.children.values() if c.starts >= 4]
                if failing:
                    raise CommandError(f"The {failing[0]} cannot be started; its reason stands above and in {self._plan.data_dir / 'rlhb.log'}.")
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.get("/readyz")
                    if answer.status_code == httpx.codes.OK or self._waits_for_session_only(answer.json()):
                        return
                    reasons = answer.json()
                await asyncio.sleep(0.1)
        raise CommandError(f"Not ready after {READY_WITHIN_S:.0f} s: {reasons}. See {self._plan.data_dir / 'rlhb.log'}.")

    def _waits_for_session_only(self, state: dict[str, object]) -> bool:
        """A worker shows itself to the server with the first recording: until then its process counts."""
        worker = self._supervisor.children["worker"]
        reasons = state.get("reasons") or state.get("missing") or {}
        return worker.pid is not None and isinstance(reasons, dict | list) and set(reasons) <= {"worker"}

    async def _begin_demo(self) -> DemoSessions | None:
        if self._plan.demo is None:
            return None
        demo = DemoSessions(self._url, self._token, *self._plan.demo)
        await demo.create()
        return demo
