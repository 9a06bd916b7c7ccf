"""A real session server on a free loopback port, its peers, and throw-away databases."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from hardware_profiles import load_profile
from messaging.identity import label_id
from messaging.lab import LabAck, LabHello, LabStatus
from messaging.records import UnitShown
from messaging.rewards import DecoderStatement, Quality, Reward
from messaging.settings import Settings
from messaging.words import ClockKind, LabelKind, OnsetSource, ReleaseState, Signal, Source, TimeLock
from server import serve

TOKEN = "ready-token-of-the-tests"
WAIT_S = 10.0


class LiveServer:
    """A server in a thread; `stop` and `start` again keep its database and its port."""

    def __init__(self, data_dir: Path, database_url: str | None = None) -> None:
        self.data_dir = data_dir
        self.database_url = database_url
        self.port = 0
        self._thread: threading.Thread | None = None
        self._uvicorn: Any = None
        self.start()

    def start(self) -> None:
        ready = threading.Event()
        failed: list[BaseException] = []

        def on_ready(_: str, port: int) -> None:
            self.port = port
            ready.set()

        def run() -> None:
            try:
                serve(Settings(data_dir=self.data_dir, database_url=self.database_url, port=self.port, token=TOKEN, log_level="warning"), on_ready, self._keep)
            except BaseException as error:  # noqa: BLE001 - raised again by `start`
                failed.append(error)
                ready.set()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(30), "the server did not start within 30 s"
        if failed:
            raise failed[0]
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)

    def _keep(self, server: Any) -> None:
        self._uvicorn = server

    def stop(self) -> None:
        self.http.close()
        self._uvicorn.should_exit = True
        assert self._thread is not None
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not end within 20 s"

    def peer(self, path: str, hello: BaseModel | None = None, *, token: str | None = TOKEN, headers: dict[str, str] | None = None) -> "Peer":
        return Peer(f"ws://127.0.0.1:{self.port}{path}", hello, token, headers)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(f"/api/v1{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.http.post(f"/api/v1{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


class Peer:
    """One end of a websocket."""

    def __init__(self, url: str, hello: BaseModel | None = None, token: str | None = TOKEN, headers: dict[str, str] | None = None) -> None:
        every = dict(headers or {})
        if token is not None:
            every["Authorization"] = f"Bearer {token}"
        self._open = ExitStack()
        self.connection: ClientConnection = self._open.enter_context(
            connect(url, additional_headers=every, compression=None, proxy=None, max_size=None, close_timeout=1)
        )
        if hello is not None:
            with suppress(ConnectionClosed):  # refused before the hello; `goodbye` tells
                self.send(hello)

    def send(self, message: BaseModel | str | bytes) -> None:
        self.connection.send(message.model_dump_json() if isinstance(message, BaseModel) else message)

    def receive(self, timeout_s: float = WAIT_S) -> Any:
        raw = self.connection.recv(timeout=timeout_s)
        return json.loads(raw) if isinstance(raw, str) else raw

    def expect(self, *kinds: str) -> Any:
        """Give the next message of one of these types; leave out what comes between."""
        ends = time.monotonic() + WAIT_S
        while True:
            message = self.receive(max(0.01, ends - time.monotonic()))
            if isinstance(message, dict) and message["type"] in kinds:
                return message

    def until(self, kind: str, **fields: Any) -> Any:
        """Give the next message of a type whose fields have these values."""
        return self.when(kind, lambda message: all(message.get(k) == v for k, v in fields.items()))

    def when(self, kind: str, condition: Callable[[Any], Any]) -> Any:
        """Give the next message of a type that meets a condition."""
        while True:
            message = self.expect(kind)
            if condition(message):
                return message

    def goodbye(self) -> tuple[int, list[Any]]:
        """Read to the end; the close code and what came before it."""
        seen = []
        try:
            while True:
                seen.append(self.receive())
        except ConnectionClosed as error:
            return (error.rcvd.code if error.rcvd else 0), seen

    def drop(self) -> None:
        """Break the connection without a close frame."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)
        self.connection.socket.close()

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Lab(Peer):
    """A daemon that records at once whatever it is sent."""

    def __init__(self, server: LiveServer, hello: LabHello | None = None) -> None:
        profile = load_profile("brainflow_synthetic")
        first = hello or LabHello(daemon_id="daemon", profile=profile, source=Source.SIMULATED, clock=ClockKind.REAL)
        super().__init__(f"ws://127.0.0.1:{server.port}/ws/v1/lab", first)
        self.expect("welcome")
        self.events: list[dict[str, Any]] = []

    def status(self, state: str, session_id: str | None = None) -> None:
        self.send(LabStatus(state=state, sentence=state, session_id=session_id))  # type: ignore[arg-type]

    def start(self) -> dict[str, Any]:
        """Wait for the command to record, and say that it is done."""
        plan = self.until("command", command="start_recording")["session"]
        self.status("recording", plan["session_id"])
        return dict(plan)

    def take_events(self, until: str, *, ack: bool = True, count: int = 1) -> list[dict[str, Any]]:
        """Take events until `count` of a type have come."""
        taken: list[dict[str, Any]] = []
        while sum(e["type"] == until for e in taken) < count:
            events = self.expect("event")["events"]
            taken += events
            if ack:
                self.send(LabAck(recorded=tuple(e["event_id"] for e in events)))
        self.events += taken
        return taken


DECODER = DecoderStatement(
    name="lda", version=1, sha256="a" * 64, task="token_rsvp", soa_ms=450, calibration_id="c", auc=0.7, auc_ci95=(0.6, 0.8), trained_on=("x",)
)
OTHER_DECODER = DECODER.model_copy(update={"version": 2, "sha256": "b" * 64})


def make_reward(session_id: str, index: int, **changed: Any) -> Reward:
    """A decoded unit; `changed` sets fields of the reward."""
    unit = changed.pop("unit", UnitShown(index=index, text=f"word{index}", item_id="i1", response_id="r1", char_start=index, char_end=index + 1))
    presentation = changed.get("presentation", f"{session_id}-p")
    fields: dict[str, Any] = {
        "label_id": label_id(session_id, presentation, LabelKind.UNIT, index, Signal.ERROR, "S1"),
        "kind": LabelKind.UNIT, "signal": Signal.ERROR, "session_id": session_id, "subject": "S1", "recording_id": f"{session_id}-1", "protocol": "token_rsvp",
        "task": "token_rsvp", "source": Source.SIMULATED, "clock": ClockKind.REAL, "consent": None, "ordinal": index + 5, "block": 0, "trial": 0,
        "presentation": presentation, "repeat": 0, "unit": unit, "onset_lsl_s": 10.0 + index, "offset_lsl_s": None, "onset_sd_ms": 2.0,
        "onset_source": OnsetSource.FRAME, "time_lock": TimeLock.UNIT, "sample_index": 250 * index, "window_ms": (100.0, 800.0), "soa_ms": 450.0,
        "display_latency_ms": None, "llr": 0.5, "llr_sd": 0.1, "prior_removed": 0.2, "prior": 0.15, "p_error": 0.2, "reward": -0.1, "reward_sd": 0.02,
        "reward_nc": None,
        "confidence": 0.245, "release": ReleaseState.OK, "release_reason": None, "late": False, "quality": Quality(), "reference": "mastoids",
        "montage": "standard_1005", "decoder": DECODER,
    }  # fmt: skip
    return Reward(**(fields | changed))


@contextmanager
def postgres_cluster(binaries: Path) -> Iterator[str]:
    """Run a throw-away PostgreSQL on a unix socket; gives the folder of the socket. Its data are gone afterwards."""
    root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="rlhb-pg-"))
    user: dict[str, Any] = {}
    if root:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    log = (folder / "log").open("wb")
    quiet = {"stdout": log, "stderr": log, "cwd": folder, **user}
    subprocess.run([binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-N"], check=True, **quiet)
    options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60"]
    process = subprocess.Popen([binaries / "postgres", "-D", folder / "data", "-k", folder, *options], **quiet)
    try:
        for _ in range(300):
            if subprocess.run([binaries / "pg_isready", "-q", "-h", folder], check=False, **quiet).returncode == 0:
                break
            assert process.poll() is None, (folder / "log").read_text()
            process_wait(process, 0.05)
        yield str(folder)
    finally:
        process.send_signal(signal.SIGINT)  # a fast shutdown; SIGTERM would wait for clients
        process.wait(20)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def process_wait(process: "subprocess.Popen[bytes]", timeout_s: float) -> None:
    """Give a process a little time; return when it has ended or the time is over."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return


def new_postgres_database(binaries: Path, folder: str, name: str) -> str:
    """Make an empty database; gives its address."""
    subprocess.run([binaries / "createdb", "-h", folder, "-U", "postgres", name], check=True)
    return f"postgresql://postgres@/{name}?host={folder}"
