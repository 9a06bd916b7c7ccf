"""Random numbers that are a function of what they are for, not of when they are drawn.

A stream is named by its parts (seed, purpose, ...) and numbered by a block, so second 812 of the blinks of run 7 can be drawn
without drawing the seconds before it. Everything the subject does rests on this: cutting generation into other calls, or
continuing in the middle, gives the same samples.
"""

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

Part = str | int | None


def _hash(parts: tuple[Part, ...]) -> bytes:
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).digest()


def stream_key(*parts: Part) -> NDArray[np.uint64]:
    """128-bit key of a stream of random numbers.

    Parameters
    ----------
    *parts : str, int or None
        Name of the stream; order matters.

    Returns
    -------
    ndarray of uint64, shape (2,)
    """
    return np.frombuffer(_hash(parts), dtype="<u8").astype(np.uint64)


def block_generator(key: NDArray[np.uint64], block: int) -> np.random.Generator:
    """Generator of one block of a stream.

    Parameters
    ----------
    key : ndarray of uint64, shape (2,)
        From `stream_key`.
    block : int
        Number of the block, -2**31 or more.

    Notes
    -----
    Philox is counter-based [1]_: the block number is the counter's highest word, so blocks never overlap.

    References
    ----------
    .. [1] Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. https://doi.org/10.1145/2063384.2063405
    """
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, block + 2**31]))


def generator(*parts: Part) -> np.random.Generator:
    """Generator of a stream that needs no blocks."""
    return block_generator(stream_key(*parts), 0)


def uniform(*parts: Part) -> float:
    """One number in [0, 1) that depends on the parts alone."""
    return int.from_bytes(_hash(parts)[:8], "little") / 2.0**64
