"""The client: one connection to a session server."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from rlhb_client.errors import ClientError, UnreadableError
from rlhb_client.files import last_seq, need
from rlhb_client.following import LabelStream
from rlhb_client.retrying import Patience, Retrying, check_answer
from rlhb_client.rows import Label, row_json
from rlhb_client.snapshots import Snapshot

PAGE_ROWS = 5000
WAIT_S = 25.0
TIMEOUT_S = 30.0


class Client:
    """Pulls labels and snapshots.

    Parameters
    ----------
    url : str or None
        Address of the session server, such as ``http://127.0.0.1:8765``; None takes ``RLHB_SERVER_URL``.
    token : str or None
        Bearer token; ``labels:read`` is enough to read. None takes ``RLHB_TOKEN``.
    patience : Patience
        How long a server that is away is waited for.
    retrying : Retrying or None
        Instead of `patience`, for tests.

    Raises
    ------
    ClientError
        No address or no token.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, patience: Patience | None = None, retrying: Retrying | None = None) -> None:
        address, secret = url or os.environ.get("RLHB_SERVER_URL"), token or os.environ.get("RLHB_TOKEN")
        if not address:
            raise ClientError("No address of a server was given. Pass url, or set RLHB_SERVER_URL.")
        if not secret:
            raise ClientError("No token was given. Pass token, or set RLHB_TOKEN; `rlhb up` prints one, POST /api/v1/tokens makes others.")
        try:
            self._http = httpx.Client(base_url=address.rstrip("/") + "/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=TIMEOUT_S)
        except httpx.InvalidURL as error:
            raise ClientError(f"'{address}' is no address: {error}. Give one like http://127.0.0.1:8765.") from error
        self.url = address.rstrip("/")
        self._retrying = retrying or Retrying(patience or Patience())

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    # ------------------------------------------------------------ labels

    def labels(
        self,
        after: int | str = 0,
        *,
        follow: bool = False,
        include: Iterable[str] = ("text",),
        wait_s: float = WAIT_S,
        page_rows: int = PAGE_ROWS,
        **filters: Any,
    ) -> LabelStream:
        """Go through the label log in `seq` order.

        Parameters
        ----------
        after : int or str
            `seq` of the last row you have, or a cursor of an earlier stream.
        follow : bool
            Wait for more at the end of the log, until the caller stops.
        include : iterable of str
            ``text`` (prompt and response) and ``generator`` (its arrays).
        wait_s : float
            While following: how long one request waits for rows, at most 30 s.
        page_rows : int
            Rows per request, at most 5000.
        **filters
            Of ``GET /labels``: `session`, `subject`, `kind`, `signal`, `decoder`, `release`, `source`, `min_confidence`, `created_from`,
            `created_to`, `generator_model`, `catch`. A name that is none is refused by the server.

        Returns
        -------
        LabelStream
            Iterates over `Label` and `Superseded` rows. Each comes once, whatever happens to the connection.
        """
        parameters = {name: value for name, value in filters.items() if value is not None}
        return LabelStream(self._get_labels, self._retrying, {**parameters, "include": ",".join(include), "limit": page_rows}, after, follow, wait_s)

    def _get_labels(self, parameters: Mapping[str, Any], wait_s: float) -> httpx.Response:
        answer = self._http.get("/labels", params=dict(parameters), timeout=TIMEOUT_S + wait_s)
        check_answer(answer)
        return answer

    def save_ndjson(self, path: Path | str, **arguments: Any) -> int:
        """Append rows to a file, each a line of JSON; a file that is there is gone on with after its last whole line.

        Parameters
        ----------
        path : Path or str
        **arguments
            As for `labels`, without ``after``.

        Returns
        -------
        int
            `seq` of the last row in the file; 0 for none.
        """
        place = Path(path)
        seq = last_seq(place)
        with place.open("a", encoding="utf-8") as file:
            for row in self.labels(after=seq, **arguments):
                file.write(json.dumps(row_json(row), ensure_ascii=False) + "\n")
                seq = row.seq
        return seq

    def arrow(self, **arguments: Any) -> Any:
        """Rows that may be learnt from now, as a ``pyarrow.Table``: superseded ones are gone, of each label the newest revision stays."""
        return need("pyarrow", "arrow").Table.from_pylist(self._newest(arguments))

    def pandas(self, **arguments: Any) -> Any:
        """Rows that may be learnt from now, as a ``pandas.DataFrame``."""
        return need("pandas", "pandas").DataFrame(self._newest(arguments))

    def _newest(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for row in self.labels(**arguments):
            rows.pop(row.label_id, None)
            if isinstance(row, Label):
                rows[row.label_id] = row_json(row)
        return list(rows.values())

    # ------------------------------------------------------------ snapshots

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Find a snapshot.

        Raises
        ------
        GoneError
            It was withdrawn; `successor` names the one that takes its place.
        RefusedError
            There is none.
        """
        return Snapshot(self._http, self._retrying, self._json("GET", f"/snapshots/{snapshot_id}"))

    def make_snapshot(self, formats: Iterable[str], *, key: str | None = None, **wishes: Any) -> Snapshot:
        """Make a snapshot and wait until it is whole; needs the scope ``snapshots:create``.

        Parameters
        ----------
        formats : iterable of str
        key : str or None
            Idempotency key. None lets the request itself decide: the same one at the same end of the log is the same snapshot.
        **wishes
            Of ``POST /snapshots``: `sessions`, `split_by`, `fractions`, `tokenizer`, …
        """
        headers = {"Idempotency-Key": key} if key else {}
        made = self._json("POST", "/snapshots", json={"formats": list(formats), **wishes}, headers=headers)
        return Snapshot(self._http, self._retrying, made).whole()

    def snapshots(self) -> Iterator[dict[str, Any]]:
        """List the server's snapshots, the newest first."""
        after: str | None = None
        while True:
            page = self._json("GET", "/snapshots", params={"after": after} if after else {})
            yield from page["items"]
            after = page["next_cursor"]
            if after is None:
                return

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        def attempt() -> Any:
            answer = self._http.request(method, path, **arguments)
            check_answer(answer)
            try:
                return answer.json()
            except ValueError as error:
                raise UnreadableError(f"{self.url} does not answer in JSON. Give the address of an rlhb server.") from error

        return self._retrying.run(attempt)
