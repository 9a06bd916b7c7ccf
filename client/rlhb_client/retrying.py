"""Trying again: which failures pass by themselves, how long to wait, and when to give up."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from rlhb_client.errors import GoneError, RefusedError, UnreachableError, UnreadableError

T = TypeVar("T")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that say something of the moment, not of the request."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How a client waits between attempts.

    Notes
    -----
    Before attempt n (n = 1, 2, …) it waits a time drawn evenly from [w/2, w], w = min(`longest_s`, `first_s`·2ⁿ⁻¹), so that many
    clients of a server that comes back do not return in step. What the server asks for (``Retry-After``) is waited at least.
    """

    first_s: float = 0.2
    longest_s: float = 15.0
    give_up_after_s: float = 600.0
    """Without one answer for this long: `UnreachableError`. Counted anew after every success."""


class PassingFault(Exception):  # noqa: N818 - never leaves this package
    """An attempt failed in a way that may pass.

    Parameters
    ----------
    what : str
    wait_s : float
        What the server asked to wait.
    """

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Retrying:
    """Runs attempts until one succeeds.

    Parameters
    ----------
    patience : Patience
    sleep, clock, draw : callable
        Waiting (s), monotonic time (s) and an even draw from [0, 1); given by tests.
    """

    def __init__(
        self,
        patience: Patience,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._draw = draw
        self._failures = 0
        self._since_s = 0.0

    def succeeded(self) -> None:
        """Something came: the next failure is a first one."""
        self._failures = 0

    def run(self, attempt: Callable[[], T]) -> T:
        """Try until it succeeds.

        Raises
        ------
        UnreachableError
            After `Patience.give_up_after_s` without success.
        RefusedError
            At once: trying again would change nothing.
        """
        while True:
            try:
                found = attempt()
            except httpx.TransportError as error:
                self._wait(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 0.0)
            except PassingFault as fault:
                self._wait(str(fault), fault.wait_s)
            else:
                self.succeeded()
                return found

    def _wait(self, what: str, asked_s: float) -> None:
        now_s = self._clock()
        if self._failures == 0:
            self._since_s = now_s
        self._failures += 1
        limit_s = self._patience.give_up_after_s
        longest_s = min(self._patience.longest_s, self._patience.first_s * 2 ** min(self._failures - 1, 30))
        wait_s = max(asked_s, longest_s * (0.5 + 0.5 * self._draw()))
        if now_s - self._since_s + wait_s > limit_s:
            raise UnreachableError(
                f"The server gave no answer in {self._failures} attempts, and {limit_s:g} s are the limit (last: {what}). "
                "Check the address and that the server runs; then go on after the last seq you have."
            )
        self._sleep(wait_s)


def check_answer(answer: httpx.Response) -> None:
    """Sort an answer: fine, passing, or refused. A refused answer's body is read.

    Raises
    ------
    PassingFault, RefusedError, GoneError, UnreadableError
    """
    if answer.status_code < 300:
        return
    if answer.is_redirect:
        raise UnreadableError(
            f"The server at {answer.request.url.host} sends on to {answer.headers.get('location', '?')}; tokens are not sent there. Give that address."
        )
    answer.read()
    detail, remedy, successor = _problem(answer)
    if answer.status_code in _PASSING:
        raise PassingFault(f"{answer.status_code}: {detail}", _retry_after_s(answer.headers.get("retry-after")))
    if answer.status_code == 410:
        raise GoneError(detail, remedy, successor)
    raise RefusedError(answer.status_code, detail, remedy)


def _problem(answer: httpx.Response) -> tuple[str, str, str | None]:
    try:
        body = answer.json()
        successor = body.get("successor")
        return str(body["detail"]), str(body.get("remedy", "")), None if successor is None else str(successor)
    except (ValueError, KeyError, AttributeError):
        return answer.reason_phrase or "no reason given", f"This is no answer of an rlhb server; is {answer.request.url} one?", None


def _retry_after_s(value: str | None, limit_s: float = 120.0) -> float:
    """Seconds out of a Retry-After header, in either of its forms; never more than the limit."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), limit_s) if math.isfinite(seconds) else 0.0
