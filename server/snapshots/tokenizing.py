"""Tokenizers of the data folder: only what a snapshot with `tokenizer` needs the package `tokenizers` for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.errors import BadRequest, NotFound


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text's tokens."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    """In code points of the text, end excluded."""


@dataclass(frozen=True, slots=True)
class NamedTokenizer:
    """A tokenizer and what it is."""

    name: str
    sha256: str
    """Of its file."""
    tokens_of: Callable[[str], Tokens] = field(repr=False)


def load_tokenizer(name: str, folder: Path) -> NamedTokenizer:
    """Load ``NAME.json``, the file that Hugging Face's fast tokenizers are kept in.

    Parameters
    ----------
    name : str
        Without path and ending; `SnapshotRequest` lets nothing else through.
    folder : Path

    Raises
    ------
    NotFound
        There is no such file.
    BadRequest
        The package is not installed, or the file is none of its.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in folder.glob("*.json"))[:20]) or "none"
        raise NotFound(f"There is no tokenizer '{name}'.", f"Put its tokenizer.json there as {path.name} in the folder {folder}. There are: {there}.")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise BadRequest(
            "This server cannot tokenize: the package tokenizers is missing.", "Run `pip install tokenizers`, or leave `tokenizer` out."
        ) from error
    raw = path.read_bytes()
    try:
        found: Any = Tokenizer.from_buffer(raw)
    except Exception as error:
        raise BadRequest(f"{path.name} is not a tokenizer: {str(error)[:200]}.", "Put the tokenizer.json of a fast tokenizer there.") from error
    found.no_truncation()
    found.no_padding()
    return NamedTokenizer(name, hashlib.sha256(raw).hexdigest(), lambda text: tokens_of(found, text))


def tokens_of(tokenizer: Any, text: str) -> Tokens:
    """Tokenize a response as it stands in a conversation: without special tokens."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return Tokens(list(encoding.ids), [(int(start), int(end)) for start, end in encoding.offsets])
