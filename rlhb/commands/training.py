"""`rlhb train`: from labels to models."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from rlhb.cli import settings
from rlhb.errors import CommandError
from rlhb.progress import progress_bar

app = typer.Typer(name="train", no_args_is_help=True, help="Models from neural labels.")


def register(root: typer.Typer) -> None:
    """Add these commands."""
    root.add_typer(app)


@app.callback()
def _models() -> None:
    """Models from neural labels."""


@app.command("reward-model")
def reward_model(
    out: Annotated[Path, typer.Option(help="Folder for the model and its card; must not exist.")],
    labels: Annotated[Optional[Path], typer.Option(help="NDJSON file of `rlhb labels pull`, instead of a server.")] = None,  # noqa: UP045 - Typer
    session: Annotated[Optional[str], typer.Option(help="Only labels of this session.")] = None,  # noqa: UP045
    marks: Annotated[Optional[str], typer.Option(help="Item file, or shipped set: which words are wrong. Used for the test alone.")] = None,  # noqa: UP045
    test_fraction: Annotated[float, typer.Option(min=0.05, max=0.8, help="Part of the items that is tested on.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    server: Annotated[Optional[str], typer.Option("--server", help="Address of the session server; default RLHB_SERVER_URL.")] = None,  # noqa: UP045
    token: Annotated[Optional[str], typer.Option("--token", help="Bearer token with the scope labels:read; default RLHB_TOKEN.")] = None,  # noqa: UP045
    as_json: Annotated[bool, typer.Option("--json", help="Answer for programs.")] = False,
) -> None:
    """Train a reward model from labels, and test it on unseen items beside one taught with shuffled labels."""
    from rlhb_client import ClientError
    from training.labels import TrainingError

    if out.exists():
        raise CommandError(f"{out} is there already. Choose another folder with --out.")
    try:
        about = _trained(out, labels, session, marks, test_fraction, seed, server, token)
    except (ClientError, TrainingError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}. Choose another folder with --out.") from error
    if as_json:
        typer.echo(json.dumps(about))
        return
    table = Table("", "held-out pairs ordered rightly", "95 %")
    for name, key in (("neural labels", "held_out_pair_accuracy"), ("shuffled labels", "shuffled_labels")):
        low, high = about[f"{key}_ci95"]
        table.add_row(name, f"{about[key]:.3f}", f"{low:.3f} to {high:.3f}")
    Console().print(table)
    typer.echo(f"{about['n_pairs']} pairs; right order: {about['against']}.")
    if about["refused"]:
        typer.echo("refused: " + ", ".join(f"{n} {reason}" for reason, n in about["refused"].items()))
    typer.echo(f"{'SIMULATED labels. ' if about['simulated'] else ''}Model and card: {out}")


def _trained(
    out: Path, labels: Path | None, session: str | None, marks: str | None, test_fraction: float, seed: int, server: str | None, token: str | None
) -> dict[str, Any]:
    from rlhb.items import WRONG, item_file, marks_of
    from training.card import write_card
    from training.evaluation import train_and_test
    from training.labels import collect
    from training.reward_model import TrainingSettings

    wrong = None if marks is None else {place: mark == WRONG for place, mark in marks_of(item_file(marks)).items()}
    wanted = TrainingSettings(seed=seed)
    with progress_bar() as tell:
        tell("pulling labels", 0.0)
        rows, source = _rows(labels, session, server, token)
        collected = collect(rows)
        outcome = train_and_test(collected.responses, wanted, wrong, test_fraction, tell)
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            outcome.model.save(folder)
            about = write_card(folder, collected, outcome, wanted, source)
            folder.chmod(0o755)
            folder.rename(out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return about


def _rows(labels: Path | None, session: str | None, server: str | None, token: str | None) -> tuple[list[Any], str]:
    from rlhb_client import Client, read_ndjson

    if labels is not None:
        return [row for row in read_ndjson(labels) if session is None or getattr(row, "session_id", session) == session], f"the file {labels.name}"
    chosen = settings()
    with Client(server or chosen.http_url, token or chosen.token) as client:
        return list(client.labels(session=session)), client.url
