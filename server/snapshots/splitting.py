"""Splits by salted hash: what an item or a subject falls into does not depend on what else there is."""

import hashlib
from collections.abc import Mapping

from server.snapshots.request import SplitBy

RULE = "first 8 bytes of SHA-256(salt, line feed, identity) / 2^64, against the cumulated fractions: train first, then the others by name"


def hashed_share(identity: str, salt: str) -> float:
    """Place an identity in [0, 1), uniformly over identities.

    Parameters
    ----------
    identity, salt : str

    Returns
    -------
    float
        The first 53 bits of the hash, so that no rounding reaches 1.
    """
    first = int.from_bytes(hashlib.sha256(f"{salt}\n{identity}".encode()).digest()[:8], "big")
    return (first >> 11) / 2.0**53


def split_of(identity: str, salt: str, fractions: Mapping[str, float]) -> str:
    """Find the split of one identity.

    Parameters
    ----------
    identity, salt : str
    fractions : mapping of str to float
        In the order they are laid on [0, 1); they sum to 1.
    """
    share, upper, last = hashed_share(identity, salt), 0.0, ""
    for name, fraction in fractions.items():
        if fraction == 0:
            continue
        upper, last = upper + fraction, name
        if share < upper:
            return name
    return last


def split_of_row(item: str, subject: str, salt: str, by: SplitBy, fractions: Mapping[str, float]) -> str | None:
    """Find the split of a row.

    Parameters
    ----------
    item, subject : str
        Identities of what was shown and of who read it.
    salt : str
    by : SplitBy
        ``both``: a row counts only where item and subject fall into the same split, so that neither is on both sides.
    fractions : mapping of str to float

    Returns
    -------
    str or None
        None: left out, because item and subject fall apart.
    """
    if by is SplitBy.SUBJECT:
        return split_of(subject, salt, fractions)
    of_item = split_of(item, salt, fractions)
    if by is SplitBy.ITEM:
        return of_item
    return of_item if split_of(subject, f"{salt}\nsubject", fractions) == of_item else None
