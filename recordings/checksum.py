"""CRC-32 over what a record says, so that no changed bit passes for a sample, an ordinal or a word.

A chunk's checksum stands in its row of the index, a line's is its last key. Both are plain CRC-32 (zlib), so any program can check
them: ``crc32(content of the EEG chunk + ordinal + sample_index + n_samples)`` with the three as little-endian int64, and
``crc32(time stamp as little-endian float64 + the line up to ',"crc32":')``; the header's begins with all bytes of the file before it.
"""

import re
import struct
import zlib

from recordings.xdf import MalformedError

_ROW = struct.Struct("<qqq")
_STAMP = struct.Struct("<d")
_SEAL = re.compile(r',"crc32":"([0-9a-f]{8})"\}', re.ASCII)
_SEAL_CHARS = len(',"crc32":"00000000"}')


def chunk_crc32(content: bytes | memoryview, ordinal: int, sample_index: int, n_samples: int) -> int:
    """Return the checksum of a chunk: of its samples as they stand in the file, and of its row of the index."""
    return zlib.crc32(_ROW.pack(ordinal, sample_index, n_samples), zlib.crc32(content))


def seal(line: str, stamp_s: float, before: int = 0) -> str:
    """Put the checksum into a line of JSON, as its last key.

    Parameters
    ----------
    line : str
        A JSON object that is not empty.
    stamp_s : float
        Time stamp that stands beside it.
    before : int
        Checksum of the bytes that it shall cover as well.
    """
    body = line[:-1]
    return f'{body},"crc32":"{_line_crc32(body, stamp_s, before):08x}"}}'


def unseal(sealed: str, stamp_s: float, before: int = 0) -> str:
    """Return the line without its checksum.

    Raises
    ------
    MalformedError
        It has none, or the checksum is another one.
    """
    body, found = sealed[:-_SEAL_CHARS], _SEAL.fullmatch(sealed[-_SEAL_CHARS:])
    if found is None:
        raise MalformedError("a line without its checksum")
    if int(found[1], 16) != _line_crc32(body, stamp_s, before):
        raise MalformedError(f"a line whose checksum is not {found[1]}, as it was when written")
    return body + "}"


def _line_crc32(body: str, stamp_s: float, before: int) -> int:
    return zlib.crc32(body.encode("utf-8"), zlib.crc32(_STAMP.pack(stamp_s), before))
