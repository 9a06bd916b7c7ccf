"""Decoders of the registry as their files say: only `decoder.json` is read, nothing is loaded."""

import json
from pathlib import Path
from typing import Any

from messaging.records import DecoderRef
from server.errors import NotFound


def registered_decoders(decoders_dir: Path) -> list[dict[str, Any]]:
    """List the registry: ``NAME/VERSION/decoder.json``; a file that cannot be read is listed with the reason.

    Parameters
    ----------
    decoders_dir : pathlib.Path

    Returns
    -------
    list of dict
        ``name``, ``version``, ``statement``, ``gate``, ``released``; or ``name``, ``version``, ``damaged``.
    """
    found = []
    for path in decoders_dir.glob("*/*/decoder.json"):
        version = path.parent.name
        if not version.isdigit():
            continue
        about: dict[str, Any] = {"name": path.parent.parent.name, "version": int(version)}
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            about |= {key: fields.get(key) for key in ("statement", "gate", "released")}
        except (OSError, ValueError, AttributeError) as error:
            about["damaged"] = f"{path.name} cannot be read: {error}"
        found.append(about)
    return sorted(found, key=lambda d: (d["name"], d["version"]))


def resolve_decoder(decoders_dir: Path, text: str) -> DecoderRef:
    """Find ``NAME`` (its newest version) or ``NAME@VERSION`` in the registry.

    Raises
    ------
    NotFound
        There is no such decoder.
    """
    name, _, version = text.partition("@")
    versions = [d["version"] for d in registered_decoders(decoders_dir) if d["name"] == name]
    if version:
        versions = [v for v in versions if str(v) == version]
    if not versions:
        raise NotFound(f"There is no decoder '{text}' in the registry.", "GET /api/v1/decoders lists them; `rlhb fit` makes one.")
    return DecoderRef(name=name, version=versions[-1])


def report_page(reports_dir: Path, decoders_dir: Path, name: str, version: int) -> str:
    """Read the page of a decoder's validity report.

    Raises
    ------
    NotFound
        There is no such decoder, or its page has not been written.
    """
    if not (decoders_dir / name / str(version) / "decoder.json").is_file():
        raise NotFound(f"There is no decoder '{name}@{version}' in the registry.", "GET /api/v1/decoders lists them; `rlhb fit` makes one.")
    try:
        return (reports_dir / f"{name}-{version}.html").read_text(encoding="utf-8")
    except OSError:
        raise NotFound(f"The report of decoder '{name}@{version}' has not been written as a page.", f"Run `rlhb report {name}@{version}`.") from None
