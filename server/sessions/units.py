"""What of a response is one unit: a word, a phrase, or a line."""

from dataclasses import dataclass
from enum import StrEnum

from server.items import units_of

_ENDS_A_PHRASE = tuple(",;:.!?…)]。、，；：！？")


class UnitOf(StrEnum):
    """What is shown and decoded as one."""

    WORD = "word"
    PHRASE = "phrase"
    STEP = "step"
    """A line of the response: one step of a chain of thought."""
    NONE = "none"
    """The response is read beside the question about it, at the subject's own pace."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One unit of a response."""

    char_start: int
    char_end: int
    text: str
    first_word: int
    end_word: int
    """Number of the word after its last."""


def pieces_of(text: str, unit: UnitOf, phrase_words: int) -> list[Piece]:
    """Cut a response into units; every word is in one of them.

    Parameters
    ----------
    text : str
        The exact response.
    unit : UnitOf
    phrase_words : int
        Words of a phrase at most, 1 or more.

    Returns
    -------
    list of Piece
        In the order of the text; none for `UnitOf.NONE`. A piece's text is that between its first and its last code point, white space included.
    """
    words = units_of(text) if unit is not UnitOf.NONE else []
    pieces: list[Piece] = []
    first = 0
    for k in range(len(words)):
        if k + 1 < len(words) and not _ends(text, words, first, k, unit, phrase_words):
            continue
        start, end = words[first][0], words[k][1]
        pieces.append(Piece(start, end, text[start:end], first, k + 1))
        first = k + 1
    return pieces


def _ends(text: str, words: list[tuple[int, int, str]], first: int, k: int, unit: UnitOf, phrase_words: int) -> bool:
    """Whether a unit that began with word `first` ends with word `k`, which is not the last."""
    if unit is UnitOf.WORD or "\n" in text[words[k][1] : words[k + 1][0]]:
        return True
    return unit is UnitOf.PHRASE and (k + 1 - first >= phrase_words or words[k][2].endswith(_ENDS_A_PHRASE))
