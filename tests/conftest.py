"""Fixtures shared by all tests: where the recordings, the browser and the database programs are."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from rlhb.environment import pin_threads

pin_threads()

import hypothesis  # noqa: E402 - after the threads are pinned
import pytest  # noqa: E402

from rlhb.bus_server import plan_bus_server  # noqa: E402

hypothesis.settings.register_profile("default", deadline=None, max_examples=60)
hypothesis.settings.register_profile("full", deadline=None, max_examples=1000)
hypothesis.settings.register_profile("strict", deadline=None, max_examples=60, derandomize=True)
"""What decides whether a change may land draws the same examples every time; everybody else's runs look for new ones."""
_STRICT_PROFILE = "strict" if os.environ.get("RLHB_TEST_STRICT") == "1" else "default"
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _STRICT_PROFILE))

ROOT = Path(__file__).resolve().parent.parent
STRICT = os.environ.get("RLHB_TEST_STRICT") == "1"
MISSING: dict[str, str] = {}


def _missing(what: str, remedy: str) -> None:
    """Skip with the remedy on a user's machine, fail where nothing may be skipped."""
    MISSING[what] = remedy
    if STRICT:
        pytest.fail(f"{what} is missing: {remedy}")
    pytest.skip(f"{what} is missing: {remedy}")


@pytest.fixture(scope="session")
def recordings_dir() -> Path:
    """Folder of the real recordings."""
    path = Path(os.environ.get("RLHB_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (path / "gtec_p300_speller").is_dir():
        _missing("The folder of real recordings", "set RLHB_TEST_DATA to it")
    return path


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    for name in ("/usr/bin/chromium", shutil.which("chromium"), shutil.which("google-chrome")):
        if name and Path(name).exists():
            return name
    _missing("Chromium", "apt-get install chromium")
    raise AssertionError


@pytest.fixture(scope="session")
def postgres_bin() -> Path:
    """Folder of initdb and postgres."""
    for path in (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin")):
        if (path / "initdb").exists():
            return path
    _missing("PostgreSQL", "apt-get install postgresql")
    raise AssertionError


class ValkeyProcess:
    """A real Valkey that a test may kill and start again."""

    def __init__(self) -> None:
        self._plan = plan_bus_server()
        self.url = self._plan.url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until the socket is there."""
        socket = self._plan.folder / "bus.sock"
        socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._plan.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            if socket.exists():
                return
            time.sleep(0.01)
        raise RuntimeError("Valkey did not start")

    def kill(self) -> None:
        """Kill -9: everything it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def remove(self) -> None:
        """Kill and remove the socket's folder."""
        self.kill()
        shutil.rmtree(self._plan.folder, ignore_errors=True)


@pytest.fixture
def valkey() -> Iterator[ValkeyProcess]:
    """Start a real bus for one test."""
    process = ValkeyProcess()
    process.start()
    yield process
    process.remove()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was missing, with the remedy."""
    if MISSING:
        terminalreporter.section("missing on this machine")
        for what, remedy in MISSING.items():
            terminalreporter.write_line(f"{what}: {remedy}")
