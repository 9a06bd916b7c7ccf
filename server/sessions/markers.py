"""Which sign follows a unit: the verdict of a verifier, or one that the session's seed draws."""

import random
from collections.abc import Mapping, Sequence

from messaging.records import MarkerShown
from messaging.words import Polarity
from server.sessions.protocols import Verdicts
from server.sessions.units import Piece

Marks = Mapping[str, Sequence[int]]
"""Mark -> numbers of the words that have it."""


def marker_of(piece: Piece, verdict: Verdicts, marks: Marks, draw: random.Random) -> MarkerShown:
    """Decide about one unit.

    Parameters
    ----------
    piece : Piece
    verdict : Verdicts
        With `wrong_share`, the sign says the truth of the marks, or with that probability its opposite. Without, a verifier's verdict counts
        (marks `rejected` and `accepted`); where it gave none, the sign rejects with probability `reject_share`, whatever the truth.
    marks : mapping
        Of the response.
    draw : random.Random
    """
    drawn = draw.random()
    if verdict.wrong_share is not None:
        wrong = _has(piece, marks, "wrong")
        return MarkerShown(polarity=_polarity(rejects=wrong != (drawn < verdict.wrong_share)), source="drawn")
    if _has(piece, marks, "rejected") or _has(piece, marks, "accepted"):
        return MarkerShown(polarity=_polarity(rejects=_has(piece, marks, "rejected")), source="verifier")
    return MarkerShown(polarity=_polarity(rejects=drawn < verdict.reject_share), source="drawn")


def _polarity(*, rejects: bool) -> Polarity:
    return Polarity.REJECT if rejects else Polarity.ACCEPT


def _has(piece: Piece, marks: Marks, mark: str) -> bool:
    return any(piece.first_word <= word < piece.end_word for word in marks.get(mark, ()))
