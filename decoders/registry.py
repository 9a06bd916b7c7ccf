"""Decoders on disk: ``NAME/VERSION/`` with ``decoder.json`` and ``parameters.npz``, immutable and checked on every load.

Nothing in these files is executed: JSON values and float64 arrays only (``allow_pickle=False``).
"""

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from decoders.content import CALIBRATION_ARRAYS, content_sha256, parameter_arrays, spec_from_json, spec_json
from decoders.fitted import Calibration, FittedDecoder, GateLine
from decoders.scorers import LinearScorer, scorer_class
from decoders.spec import MismatchError, RegistryError
from messaging.rewards import DecoderStatement

SCHEMA = "rlhb.decoder.v2"
_LINEAR_SCHEMA = "rlhb.decoder.v1"
"""Decoders from before there were scorers of other kinds; read as they always were."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_\-]{0,63}")
_RETIRED = "retired.txt"
"""Written by the server beside a decoder whose subject had their data erased."""
_MAX_BYTES = 64 * 2**20
"""A decoder of 256 channels and 100 windows has 200 kB; a file beyond this is none."""


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One version of one decoder."""

    name: str
    version: int


class Registry:
    """Decoders in a folder.

    Parameters
    ----------
    root : Path
        Holds ``NAME/VERSION/``; made when the first decoder is saved.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root)

    def check_name(self, name: str) -> None:
        """Say early whether a decoder could be saved under a name: before minutes of fitting, not after.

        Raises
        ------
        RegistryError
            It could not; the message tells what a name is made of.
        """
        _checked_name(name)

    def save(self, decoder: FittedDecoder) -> int:
        """Write a decoder under its statement's name, as the next version; returns that.

        The folder appears whole or not at all (written aside, synced, renamed); an existing version is never touched.

        Raises
        ------
        RegistryError
            The name is not allowed, values are not finite JSON, or the disk refuses.
        """
        name = _checked_name(decoder.statement.name)
        try:
            (self._root / name).mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=self._root / name))
            try:
                return self._publish(name, aside, decoder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            why = error.strerror or error
            raise RegistryError(f"Decoder '{name}' cannot be written to {self._root}: {why}. Free space or correct the permissions.") from error

    def _publish(self, name: str, aside: Path, decoder: FittedDecoder) -> int:
        while True:
            version = max(self._versions(name), default=0) + 1
            _write_files(aside, decoder, version)
            try:
                # renaming onto a folder that another process published meanwhile fails, as that one is not empty
                aside.rename(self._root / name / str(version))
            except OSError:
                if version in self._versions(name):
                    continue
                raise
            _sync(self._root / name)
            return version

    def load(self, name: str, version: int | None = None) -> FittedDecoder:
        """Read a decoder; None takes the newest version.

        Raises
        ------
        RegistryError
            It is missing, retired, cut, changed since it was written, or of another schema. The message names file and remedy.
        """
        name = _checked_name(name)
        versions = self._versions(name)
        if not versions:
            known = sorted({entry.name for entry in self.list()})
            raise RegistryError(f"There is no decoder '{name}'. Known: {', '.join(known) or 'none'}; fit one with rlhb fit.")
        number = versions[-1] if version is None else version
        if number not in versions:
            raise RegistryError(f"Decoder '{name}' has no version {number}; it has {', '.join(map(str, versions))}.")
        folder = self._root / name / str(number)
        if (folder / _RETIRED).is_file():
            why = (folder / _RETIRED).read_text(encoding="utf-8").strip()
            raise RegistryError(f"Decoder '{name}' version {number} was retired: {why}. Name another version, or fit one with rlhb fit.")
        document, arrays = _read_files(folder)
        decoder = _decoder_of(folder, document, arrays)
        said = decoder.statement.name, decoder.statement.version
        if said != (name, number):
            raise RegistryError(f"{folder} says it is '{said[0]}' version {said[1]}: the folder was moved or renamed. {_REMEDY}")
        return decoder

    def list(self) -> tuple[RegistryEntry, ...]:
        """All decoders and versions, by name, then version; files are not opened."""
        if not self._root.is_dir():
            return ()
        names = sorted(path.name for path in self._root.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))
        return tuple(RegistryEntry(name, version) for name in names for version in self._versions(name))

    def _versions(self, name: str) -> tuple[int, ...]:
        folder = self._root / name
        if not folder.is_dir():
            return ()
        return tuple(sorted(int(path.name) for path in folder.iterdir() if path.is_dir() and re.fullmatch(r"[1-9][0-9]{0,8}", path.name)))


_REMEDY = "Fit it again with rlhb fit, or restore the folder from a copy."


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise RegistryError(f"'{name[:80]}' is no name for a decoder: use 1-64 of a-z, 0-9, '_' and '-', starting with a letter or digit.")
    return name


def _write_files(folder: Path, decoder: FittedDecoder, version: int) -> None:
    arrays, kind = parameter_arrays(decoder.scorer, decoder.calibration), decoder.scorer.kind
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    statement = decoder.statement.model_copy(update={"version": version, "sha256": content_sha256(decoder.spec, arrays, kind)})
    document = {
        "schema": SCHEMA,
        "spec": spec_json(decoder.spec),
        "scorer": kind,
        "statement": json.loads(statement.model_dump_json()),
        "gate": [asdict(line) for line in decoder.gate],
        "released": decoder.released,
        "report": decoder.report,
        "parameters_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }
    try:
        text = json.dumps({**document, "document_sha256": _document_sha256(document)}, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RegistryError(f"Decoder '{statement.name}' holds values that JSON cannot keep: {error}. Correct its report.") from error
    for file_name, content in (("parameters.npz", buffer.getvalue()), ("decoder.json", text.encode())):
        with (folder / file_name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    folder.chmod(0o755)
    _sync(folder)


def _document_sha256(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_files(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    contents = {}
    for file_name in ("decoder.json", "parameters.npz"):
        path = folder / file_name
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise RegistryError(f"{path} has {path.stat().st_size} bytes, more than {_MAX_BYTES}: it is no decoder. {_REMEDY}")
            contents[file_name] = path.read_bytes()
        except OSError as error:
            raise RegistryError(f"{path} cannot be read: {error.strerror or error}. {_REMEDY}") from error
    document = _checked_document(folder / "decoder.json", contents["decoder.json"])
    packed = contents["parameters.npz"]
    if hashlib.sha256(packed).hexdigest() != document["parameters_sha256"]:
        raise RegistryError(f"{folder / 'parameters.npz'} is not what was written: its SHA-256 differs. {_REMEDY}")
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
            return document, {name: stored[name] for name in stored.files}
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RegistryError(f"{folder / 'parameters.npz'} holds no plain arrays: {error}. {_REMEDY}") from error


def _checked_document(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{path} is damaged: {error}. {_REMEDY}") from error
    found = document.get("schema") if isinstance(document, dict) else None
    if found not in (SCHEMA, _LINEAR_SCHEMA):
        raise RegistryError(
            f"{path} has schema {found!r}; this version reads '{SCHEMA}' and '{_LINEAR_SCHEMA}'. Fit the decoder again, or use the version that wrote it."
        )
    said = document.pop("document_sha256", None)
    if said != _document_sha256(document) or "parameters_sha256" not in document:
        raise RegistryError(f"{path} is not what was written: its SHA-256 differs. {_REMEDY}")
    return document


def _decoder_of(folder: Path, document: dict[str, Any], arrays: dict[str, NDArray[np.float64]]) -> FittedDecoder:
    try:
        spec = spec_from_json(document["spec"])
        statement = DecoderStatement.model_validate(document["statement"])
        gate = tuple(GateLine(**line) for line in document["gate"])
        slope, intercept, prior_removed, e0, e1 = (float(value) for value in arrays["calibration"])
        calibration = Calibration(slope, intercept, prior_removed, arrays["bootstrap"], e0, e1)
        kind = LinearScorer.kind if document["schema"] == _LINEAR_SCHEMA else str(document["scorer"])
        released, report = bool(document["released"]), dict(document["report"])
    except (KeyError, TypeError, ValueError, IndexError, ValidationError) as error:
        raise RegistryError(f"{folder} lacks a part of a decoder: {error!r}. {_REMEDY}") from error
    if calibration.bootstrap.shape[1:] != (3,):
        raise RegistryError(f"{folder}: a bootstrap of shape {calibration.bootstrap.shape} has no slope, intercept and prior. {_REMEDY}")
    if content_sha256(spec, arrays, kind) != statement.sha256:
        raise RegistryError(f"{folder}: spec and parameters are not those the statement names. {_REMEDY}")
    learnt = {name: array for name, array in arrays.items() if name not in CALIBRATION_ARRAYS}
    try:
        scorer = scorer_class(kind).from_parameters(learnt, len(spec.window.edges_ms) - 1, len(spec.preprocessing.channel_names))
    except MismatchError as error:
        raise RegistryError(f"{folder}: {error}") from error
    return replace(FittedDecoder(spec, scorer, calibration, gate, released, statement), report=report)
