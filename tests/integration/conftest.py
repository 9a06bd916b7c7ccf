"""Fixtures of the integration tests: a running session server on SQLite and on PostgreSQL."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference.live_server import LiveServer, new_postgres_database, postgres_cluster

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_folder(request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A throw-away PostgreSQL cluster."""
    binaries: Path = request.getfixturevalue("postgres_bin")
    with postgres_cluster(binaries) as folder:
        yield binaries, folder


def _url(kind: str, request: pytest.FixtureRequest) -> str | None:
    if kind == "sqlite":
        return None
    binaries, folder = request.getfixturevalue("postgres_folder")
    return new_postgres_database(binaries, folder, f"rlhb{next(_NUMBERS)}")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server shared by the tests of a file."""
    live = LiveServer(tmp_path_factory.mktemp("server"), _url(request.param, request))
    yield live
    live.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveServer]:
    """A server of the test's own."""
    live = LiveServer(tmp_path, _url(request.param, request))
    yield live
    live.stop()
