"""Going through the label log page by page; the place moves only when a page is there as a whole."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from rlhb_client.errors import UnreadableError
from rlhb_client.retrying import PassingFault, Retrying
from rlhb_client.rows import Row, read_row

Get = Callable[[Mapping[str, Any], float], httpx.Response]
"""Asks for a page with these parameters; the second argument is how long the server may hold the answer back (s)."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of ``GET /labels``."""

    rows: tuple[Row, ...]
    cursor: str
    has_more: bool
    high_watermark: int


class LabelStream(Iterator[Row]):
    """Rows in `seq` order, each once.

    Made by `Client.labels`. `seq` is that of the last row handed out: keep it beside what you made of the rows, and give it as
    ``after`` the next time. A connection that breaks, and a server that restarts, are waited out.

    Notes
    -----
    The cursor moves only after a page was read to its end, and rows are handed out only of such pages. So a page whose answer was
    cut is asked for again from the same place: nothing of it had been handed out, nothing is lost.
    """

    def __init__(self, get: Get, retrying: Retrying, parameters: Mapping[str, Any], after: int | str, follow: bool, wait_s: float) -> None:
        self._get = get
        self._retrying = retrying
        self._parameters = dict(parameters)
        self._cursor = str(after)
        self._follow = follow
        self._wait_s = wait_s
        self._rows: deque[Row] = deque()
        self._ended = False
        self.seq: int | None = None
        """`seq` of the last row handed out; None before the first."""
        self.high_watermark = 0
        """Last `seq` of the log when the last page was read."""

    @property
    def cursor(self) -> str:
        """Where the next page begins; unlike `seq` it also moves over rows that the filter leaves out."""
        return self._cursor

    def __iter__(self) -> "LabelStream":
        return self

    def __next__(self) -> Row:
        while not self._rows:
            if self._ended:
                raise StopIteration
            self._rows.extend(self._next_page().rows)
        row = self._rows.popleft()
        self.seq = row.seq
        return row

    def pages(self) -> Iterator[tuple[Row, ...]]:
        """Hand out whole pages instead of rows; while following, also empty ones, so that the caller can stop in quiet times."""
        if self._rows:
            rest = tuple(self._rows)
            self._rows.clear()
            self.seq = rest[-1].seq
            yield rest
        while not self._ended:
            rows = self._next_page().rows
            self.seq = rows[-1].seq if rows else self.seq
            if rows or self._follow:
                yield rows

    def _next_page(self) -> Page:
        page = self._retrying.run(self._attempt)
        self._cursor, self.high_watermark = page.cursor, page.high_watermark
        self._ended = not (page.has_more or self._follow)
        return page

    def _attempt(self) -> Page:
        wait_s = self._wait_s if self._follow else 0.0
        answer = self._get({**self._parameters, "after": self._cursor, "wait": f"{wait_s:g}"}, wait_s)
        return _page(answer)


def _page(answer: httpx.Response) -> Page:
    try:
        body = answer.json()
    except json.JSONDecodeError as error:
        # A proxy without a length ends a cut body like a whole one.
        if "json" in answer.headers.get("content-type", ""):
            raise PassingFault("the answer ended in the middle") from error
        raise UnreadableError(f"{answer.request.url.copy_with(query=None)} does not answer in JSON. Give the address of an rlhb server.") from error
    try:
        rows = tuple(read_row(raw) for raw in body["items"])
        return Page(rows, str(body["next_cursor"]), bool(body["has_more"]), int(body["high_watermark"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"The page of labels lacks {error}. Client and server are of different versions; bring both to the newer one.") from error
