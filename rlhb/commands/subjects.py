"""`rlhb subject`: pseudonyms, consent, withdrawal and erasure on a running session server."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Optional
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from rlhb.cli import settings
from rlhb.connection import BearerToken, ServerAddress, connected, granted
from rlhb.errors import CommandError

app = typer.Typer(name="subject", no_args_is_help=True, help="Subjects: consent, withdrawal, erasure.")
AsJson = Annotated[bool, typer.Option("--json", help="Answer for programs.")]
Pseudonym = Annotated[str, typer.Argument(help="The subject's pseudonym.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def register(root: typer.Typer) -> None:
    """Add these commands."""
    root.add_typer(app)


@app.command("list")
def list_subjects(server: ServerAddress = None, token: BearerToken = None, as_json: AsJson = False) -> None:
    """List subjects and what they agreed to."""
    rows: list[dict[str, object]] = []
    with connected(server, token) as client:
        after: Optional[str] = None  # noqa: UP045
        while True:
            page = granted(client.get("/subjects", params={"limit": 500} | ({"after": after} if after else {}))).json()
            rows += page["items"]
            if not page["has_more"]:
                break
            after = page["next_cursor"]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("subject", "consent", "until", "state")
    for row in rows:
        consent = row["consent"] if isinstance(row["consent"], dict) else {}
        said = f"{consent['version']}: {', '.join(consent['scopes'])}" if consent else "none on file"
        state = "erased" if row["erased_at"] else "being erased" if row["erasing_since"] else "withdrawn" if consent and consent["withdrawn_at"] else ""
        table.add_row(str(row["subject"]), said, str(consent.get("expires_at") or "")[:10], state)
    Console().print(table)


@app.command()
def consent(
    subject: Pseudonym,
    scope: Annotated[list[str], typer.Option("--scope", help="recording, training.")],
    days: Annotated[Optional[float], typer.Option(min=0.01, max=36500, help="Days until it runs out; default: until it is withdrawn.")] = None,  # noqa: UP045
    note: Annotated[str, typer.Option(help="The form, and where the signed one is kept; no name of the person.")] = "",
    server: ServerAddress = None,
    token: BearerToken = None,
    as_json: AsJson = False,
) -> None:
    """Enter what a subject agreed to, as a new version."""
    ends = (datetime.now(UTC) + timedelta(days=days)).isoformat() if days is not None else None
    body = {"subject": subject, "consent": {"scopes": scope, "expires_at": ends, "note": note}}
    with connected(server, token) as client:
        made = granted(client.post("/subjects", json=body)).json()
    newest = made["consents"][0]
    typer.echo(json.dumps(made) if as_json else f"{subject}: consent version {newest['version']} ({', '.join(newest['scopes'])})")


@app.command()
def withdraw(
    subject: Pseudonym,
    reason: Annotated[str, typer.Option(help="Stands in the revoked labels.")] = "",
    yes: Yes = False,
    server: ServerAddress = None,
    token: BearerToken = None,
    as_json: AsJson = False,
) -> None:
    """Take a subject's consent back: their labels are revoked, and whoever pulled one learns of it."""
    if not yes:
        typer.confirm(f"Revoke all labels of '{subject}'?", abort=True)
    with connected(server, token) as client:
        done = granted(client.post(f"/subjects/{quote(subject, safe='')}/withdraw", json={"reason": reason}, timeout=None)).json()
    typer.echo(json.dumps(done) if as_json else f"{subject}: {done['labels']} labels revoked, {len(done['snapshots'])} snapshots retired")


@app.command()
def erase(subject: Pseudonym, yes: Yes = False, server: ServerAddress = None, token: BearerToken = None, as_json: AsJson = False) -> None:
    """Erase what is kept of a subject: on the server, in this machine's data folder, and on this machine's bus (RLHB_BUS_URL)."""
    if not yes:
        typer.confirm(f"Erase recordings and labels of '{subject}'? This cannot be undone.", abort=True)
    from server.subjects.files import erase_files

    with connected(server, token) as client:
        done = granted(client.delete(f"/subjects/{quote(subject, safe='')}", timeout=None)).json()
    chosen = settings()
    try:
        done["files_here"] = erase_files(chosen.data_dir, subject, done["recordings"])
    except OSError as error:
        raise CommandError(
            f"The server has erased its part, but here {error.filename} cannot be removed: {error.strerror}. Mend that and ask again."
        ) from error
    if chosen.bus_url is not None:
        asyncio.run(_forget_on_bus(chosen.bus_url, done["recordings"]))
    if as_json:
        typer.echo(json.dumps(done))
        return
    n_files = len(done["files"]) + len(done["files_here"])
    typer.echo(f"{subject} is erased: {done['labels']} labels, {n_files} files, {len(done['snapshots'])} snapshots")
    if done["decoders"]:
        typer.echo(f"Retired, as they were fitted on this subject: {', '.join(done['decoders'])}")
    typer.echo("Not reached from here: backups, data folders of other lab machines (run this there too), and what consumers pulled before.", err=True)


async def _forget_on_bus(url: str, recording_ids: list[str]) -> None:
    from messaging.bus import Bus, BusError

    try:
        bus = Bus(url)
        try:
            for recording_id in recording_ids:
                await bus.erase(recording_id)
        finally:
            await bus.close()
    except BusError as error:
        raise CommandError(f"The server has erased its part, but the bus cannot be reached: {error}") from error
