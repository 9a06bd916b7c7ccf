"""`rlhb labels`: label rows into a file, and snapshots for training jobs."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Optional

import httpx
import typer

from rlhb.connection import WAIT_S, BearerToken, ServerAddress, connected, granted
from rlhb.errors import CommandError
from rlhb.progress import progress_bar

app = typer.Typer(name="labels", no_args_is_help=True, help="Label rows and snapshots of a session server.")
AsJson = Annotated[bool, typer.Option("--json", help="Answer for programs.")]
MEDIA = {"ndjson": "application/x-ndjson", "arrow": "application/vnd.apache.arrow.stream"}
ASK_EVERY_S = 0.5


def register(root: typer.Typer) -> None:
    """Add these commands."""
    root.add_typer(app)


@app.command()
def pull(
    session: Annotated[Optional[str], typer.Option(help="Only of this session.")] = None,  # noqa: UP045
    subject: Annotated[Optional[str], typer.Option(help="Only of this subject.")] = None,  # noqa: UP045
    signal: Annotated[Optional[str], typer.Option(help="Only of this brain signal.")] = None,  # noqa: UP045
    release: Annotated[str, typer.Option(help="ok, held, revoked or any.")] = "ok",
    form: Annotated[Literal["ndjson", "arrow", "parquet"], typer.Option("--format", help="What to write.")] = "ndjson",
    out: Annotated[Optional[Path], typer.Option(help="File; standard output without it (ndjson only).")] = None,  # noqa: UP045
    after: Annotated[str, typer.Option(help="`seq` of the last row you have; 0 for all.")] = "0",
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more rows until Ctrl-C (ndjson only).")] = False,
    include: Annotated[str, typer.Option(help="text, generator, or both with a comma; empty for neither.")] = "text",
    server: ServerAddress = None,
    token: BearerToken = None,
) -> None:
    """Pull label rows in the order of their commits; prints the last `seq` on stderr, for the next --after."""
    if form != "ndjson" and (out is None or follow):
        raise CommandError(f"Format {form} goes into a file that ends: give --out, and leave --follow out.")
    asked = {"session": session, "subject": subject, "signal": signal, "release": release, "include": include, "after": after}
    params = {name: value for name, value in asked.items() if value is not None}
    with connected(server, token) as client, _opened(out, after) as file:
        lines = form == "ndjson"
        last = _pull_lines(client, params, file, follow=follow) if lines else _pull_arrow(client, params, file, parquet=form == "parquet")
    typer.echo(f"the last seq is {last}; go on with --after {last}", err=True)


@contextmanager
def _opened(out: Path | None, after: str) -> Iterator[IO[bytes]]:
    """Standard output, or a file: a new one, or the one that is gone on with."""
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        with out.open("xb" if after == "0" else "ab") as file:
            yield file
    except FileExistsError:
        raise CommandError(f"{out} is there already. Choose another file, or go on with it with --after SEQ.") from None
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}. Choose another file with --out.") from error


def _pull_lines(client: httpx.Client, params: dict[str, str], file: IO[bytes], *, follow: bool) -> str:
    last = params["after"]
    try:
        with progress_bar() as tell:
            while True:
                asked = params | {"after": last, "limit": "5000", "wait": str(WAIT_S if follow else 0)}
                page = granted(client.get("/labels", params=asked)).json()
                for row in page["items"]:
                    file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                    last = str(row["seq"])
                file.flush()
                high = page["high_watermark"]
                seq = int(last) if last.isdigit() else 0
                tell(f"{seq} of {high}", seq / max(1, high))
                if not page["has_more"]:
                    last = str(max(seq, high))
                    if not follow:
                        return last
    except KeyboardInterrupt:
        return last


def _pull_arrow(client: httpx.Client, params: dict[str, str], file: IO[bytes], *, parquet: bool) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    last = params["after"]
    with client.stream("GET", "/labels", params=params, headers={"Accept": MEDIA["arrow"]}) as answer, progress_bar() as tell:
        if not answer.is_success:
            answer.read()
        granted(answer)
        with pa.ipc.open_stream(pa.PythonFile(_Reading(answer.iter_bytes()), mode="r")) as stream:
            writer = pq.ParquetWriter(file, stream.schema, compression="zstd") if parquet else pa.ipc.new_stream(pa.PythonFile(file, mode="w"), stream.schema)
            with writer:
                for batch in stream:
                    writer.write_batch(batch)
                    last = str(batch.column("seq")[-1].as_py()) if len(batch) else last
                    tell(f"seq {last}", 0.5)
    return last


class _Reading:
    """Bytes of an answer as a file that is read from."""

    closed = False

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._rest = parts, b""

    def read(self, n: int = -1) -> bytes:
        """Return n bytes, fewer at the end."""
        while n < 0 or len(self._rest) < n:
            part = next(self._parts, None)
            if part is None:
                break
            self._rest += part
        taken, self._rest = (self._rest, b"") if n < 0 else (self._rest[:n], self._rest[n:])
        return taken


@app.command()
def snapshot(
    formats: Annotated[list[str], typer.Option("--format", help="labels, trl-preference, trl-unpaired, token-rewards, verl, stepwise, cothb-tree.")],
    session: Annotated[Optional[list[str]], typer.Option(help="Only of these sessions.")] = None,  # noqa: UP045
    split_by: Annotated[str, typer.Option(help="item, subject or both.")] = "item",
    tokenizer: Annotated[Optional[str], typer.Option(help="NAME of a NAME.json in the data folder's tokenizers.")] = None,  # noqa: UP045
    key: Annotated[Optional[str], typer.Option(help="Idempotency key: the same one gives the same snapshot.")] = None,  # noqa: UP045
    server: ServerAddress = None,
    token: BearerToken = None,
    as_json: AsJson = False,
) -> None:
    """Make an immutable snapshot and print a line that loads it."""
    body: dict[str, Any] = {"formats": formats, "split_by": split_by, "sessions": session or [], "tokenizer": tokenizer}
    with connected(server, token) as client:
        made = granted(client.post("/snapshots", json=body, headers={"Idempotency-Key": key} if key else None)).json()
        with progress_bar() as tell:
            while made["state"] == "building":
                tell("building the snapshot", made["done"])
                time.sleep(ASK_EVERY_S)
                made = granted(client.get(f"/snapshots/{made['snapshot_id']}")).json()
        if made["state"] == "failed":
            raise CommandError(f"The snapshot could not be built: {made['problem']}. Make room on the server's disk, and ask again.")
        base = str(client.base_url).rstrip("/")
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(f"snapshot {made['snapshot_id']}, labels up to seq {made['high_watermark']}")
    for file in made["files"]:
        typer.echo(f"  {file['path']}  {file['rows']} rows, {file['bytes']} bytes")
    typer.echo(load_line(f"{base}/snapshots/{made['snapshot_id']}", made["files"]))


def load_line(url: str, files: list[dict[str, Any]]) -> str:
    """Python that loads the first format with `datasets`; files without rows are left out, as it loads none."""
    full = [f for f in files if f["rows"]]
    if not full:
        return "The snapshot has no rows yet."
    first = next((f for f in full if f["path"].endswith(".parquet")), full[0])
    kind = "parquet" if first["path"].endswith(".parquet") else "json"
    chosen: dict[str, list[str]] = {}
    for file in full:
        if file["format"] == first["format"] and file["path"].rpartition(".")[2] == first["path"].rpartition(".")[2]:
            chosen.setdefault(file["split"], []).append(f"{url}/{file['path']}")
    headers = '{"headers": {"Authorization": f"Bearer {TOKEN}"}}'
    return f"datasets.load_dataset({kind!r}, data_files={chosen!r}, storage_options={headers})"
