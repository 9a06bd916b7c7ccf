"""A session server as the command line talks to it: address and token from options or the environment, refusals as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Optional

import httpx
import typer

from rlhb.cli import settings
from rlhb.errors import CommandError

WAIT_S = 30
ServerAddress = Annotated[Optional[str], typer.Option("--server", help="Address of the session server; default RLHB_SERVER_URL, or the one on this machine.")]  # noqa: UP045 - Typer
BearerToken = Annotated[Optional[str], typer.Option("--token", help="Bearer token; default RLHB_TOKEN.")]  # noqa: UP045


@contextmanager
def connected(server: str | None, token: str | None) -> Iterator[httpx.Client]:
    """Give a client whose addresses begin at ``/api/v1``.

    Raises
    ------
    CommandError
        No token, no such server, or it does not answer.
    """
    chosen = settings()
    url, secret = (server or chosen.http_url).rstrip("/"), token or chosen.token
    if secret is None:
        raise CommandError("No token: give --token, or set RLHB_TOKEN. The `ready` line of `rlhb up` shows one.")
    try:
        with httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=httpx.Timeout(WAIT_S + 30)) as client:
            yield client
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise CommandError(f"'{url}' is no address of a server: {error}. Give one like http://127.0.0.1:8765 with --server.") from error
    except httpx.HTTPError as error:
        raise CommandError(f"The session server at {url} cannot be reached: {error}. Check that it runs, and --server.") from error


def granted(answer: httpx.Response) -> httpx.Response:
    """Return an answer, or raise what the server says against it.

    Raises
    ------
    CommandError
        The server refused; the message is its own, with the remedy.
    """
    if answer.is_success:
        return answer
    try:
        told = answer.json()
        sentence = f"{told['detail']} {told['remedy']}"
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered {answer.status_code}. Check the address."
    raise CommandError(sentence)
