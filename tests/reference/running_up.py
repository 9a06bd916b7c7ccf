"""`rlhb up` as a user starts it, for tests: real processes, read over REST."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

WORDS = {"server": "serve", "worker": "decode", "daemon": ("replay", "acquire"), "bus": "valkey"}


class RunningUp:
    """A running `rlhb up`.

    Parameters
    ----------
    arguments : list of str
        After ``rlhb up``.
    data_dir : Path
    """

    def __init__(self, arguments: list[str], data_dir: Path, ready_within_s: float = 120) -> None:
        command = [sys.executable, "-m", "rlhb", "up", "--data-dir", str(data_dir), "--port", "0", "--no-browser", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RLHB_")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
        self.data_dir = data_dir
        self._lines: queue.Queue[str] = queue.Queue()
        self.log: list[str] = []
        threading.Thread(target=self._read, args=(self.process.stdout, self._lines.put), daemon=True).start()
        threading.Thread(target=self._read, args=(self.process.stderr, self.log.append), daemon=True).start()
        try:
            line = self._lines.get(timeout=ready_within_s)
        except queue.Empty:
            self.stop()
            raise AssertionError("not ready:\n" + "\n".join(self.log)) from None
        assert line.startswith("ready http://127.0.0.1:"), line
        self.url, _, self.token = line.removeprefix("ready ").partition("/?token=")
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=60)

    @staticmethod
    def _read(stream: Any, take: Any) -> None:
        for line in stream:
            take(line.rstrip("\n"))

    def children(self) -> dict[str, psutil.Process]:
        """Processes by their name in the log."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                line = " ".join(child.cmdline())
            except psutil.Error:
                continue  # it ended just now
            for name, words in WORDS.items():
                if any(f" {w} " in f" {line} " or (w == "valkey" and "valkey" in line) for w in ([words] if isinstance(words, str) else words)):
                    found[name] = child
        return found

    def kill(self, name: str) -> None:
        """Kill -9 one of the processes; one that is being started again is waited for."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            child = self.children().get(name)
            if child is not None:
                child.send_signal(signal.SIGKILL)
                return
            time.sleep(0.05)
        raise AssertionError(f"there is no {name} to kill:\n" + "\n".join(self.log[-30:]))

    def labels(self, **filters: Any) -> list[dict[str, Any]]:
        """Pull the whole label log, page by page."""
        rows: list[dict[str, Any]] = []
        after = 0
        while True:
            answer = self.http.get("/api/v1/labels", params={"release": "any", "limit": 5000, "after": after, **filters})
            answer.raise_for_status()
            page = answer.json()
            rows += page["items"]
            after = page["next_cursor"]
            if not page["has_more"]:
                return rows

    def labels_when(self, enough: int, within_s: float = 120, **filters: Any) -> list[dict[str, Any]]:
        """Pull until there are enough labels; the server is asked to wait, and may be away for a while."""
        deadline = time.monotonic() + within_s
        rows: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            try:
                rows = self.labels(**filters)
                if len(rows) >= enough:
                    return rows
                self.http.get("/api/v1/labels", params={"release": "any", "after": rows[-1]["seq"] if rows else 0, "wait": 1, "limit": 1})
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(f"{len(rows)} labels of {enough} after {within_s} s:\n" + "\n".join(self.log[-60:]))

    def stop(self) -> int:
        """Ctrl-C; returns the exit status."""
        children = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive, f"left behind: {alive}"
        return status


def rlhb(*arguments: str, data_dir: Path | None = None, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RLHB_")} | environment
    if data_dir is not None:
        clean["RLHB_DATA_DIR"] = str(data_dir)
    done = subprocess.run([sys.executable, "-m", "rlhb", *arguments], capture_output=True, text=True, env=clean, check=False)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
