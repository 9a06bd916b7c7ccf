"""`rlhb serve` as a process of its own, that a test may kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.reference.live_server import TOKEN, LiveServer


class ServeProcess(LiveServer):
    """A session server in a process of its own."""

    def start(self) -> None:
        environment = os.environ | {"RLHB_TOKEN": TOKEN, "RLHB_DATA_DIR": str(self.data_dir), "RLHB_PORT": str(self.port), "RLHB_LOG_LEVEL": "warning"}
        if self.database_url is not None:
            environment["RLHB_DATABASE_URL"] = self.database_url
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen([sys.executable, "-m", "rlhb", "serve"], env=environment, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening http://"), line
        self.port = int(line.strip().rstrip("/").rpartition(":")[2])
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.http.close()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)

    def stop(self) -> None:
        """End it politely; harmless when it is gone."""
        self.http.close()
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
