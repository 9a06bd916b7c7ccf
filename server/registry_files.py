"""Decoders of the registry as their files say: only `decoder.json` is read, nothing is loaded."""

import json
from pathlib import Path
from typing import Any

from messaging.records import DecoderRef
from server.errors import Conflict, NotFound

RETIRED = "retired.txt"
"""Beside a decoder's files: why it is not used any more. The files themselves are never changed."""


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
        if (path.parent / RETIRED).is_file():
            about["retired"] = retirement(path.parent)
        found.append(about)
    return sorted(found, key=lambda d: (d["name"], d["version"]))


def resolve_decoder(decoders_dir: Path, text: str) -> DecoderRef:
    """Find ``NAME`` (its newest version) or ``NAME@VERSION`` in the registry.

    Raises
    ------
    NotFound
        There is no such decoder.
    Conflict
        It was retired.
    """
    name, _, version = text.partition("@")
    versions = [d["version"] for d in registered_decoders(decoders_dir) if d["name"] == name]
    if version:
        versions = [v for v in versions if str(v) == version]
    retired = {d["version"]: d["retired"] for d in registered_decoders(decoders_dir) if d["name"] == name and "retired" in d}
    usable = [v for v in versions if v not in retired]
    if versions and not usable:
        raise Conflict(f"The decoder '{text}' was retired: {retired[versions[-1]]}.", "Fit another with `rlhb fit`, or calibrate in the session.")
    versions = usable
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


def retirement(folder: Path) -> str:
    """Read why a decoder was retired."""
    try:
        return (folder / RETIRED).read_text(encoding="utf-8").strip()
    except OSError as error:
        return f"its reason cannot be read ({error.strerror})"


def retire_decoders_of(subject: str, decoders_dir: Path, reports_dir: Path, reason: str) -> list[str]:
    """Retire every decoder that was fitted on a subject, and remove its report page; doing it again is harmless.

    Parameters
    ----------
    subject : str
        A decoder whose file does not say whom it was fitted on cannot be found this way.
    decoders_dir, reports_dir : Path
    reason : str

    Returns
    -------
    list of str
        ``NAME@VERSION`` of each.
    """
    found = []
    for decoder in registered_decoders(decoders_dir):
        if subject not in ((decoder.get("statement") or {}).get("subjects") or ()):
            continue
        name, version = decoder["name"], decoder["version"]
        (decoders_dir / name / str(version) / RETIRED).write_text(reason + "\n", encoding="utf-8")
        (reports_dir / f"{name}-{version}.html").unlink(missing_ok=True)
        found.append(f"{name}@{version}")
    return found
