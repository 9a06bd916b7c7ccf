"""Did the words answer? llr against what is known of the words without any brain."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from decoders.fitted import GateLine
from decoders.gate.increment import increment_of
from decoders.gate.lines import FurtherLimits, Line, not_assessable, passed_or_failed
from decoders.sessions import Word

_MIN_ITEMS = 10


def lexical_line(words: Sequence[Word | None], llr: NDArray[np.float64], positive: NDArray[np.bool_], limits: FurtherLimits) -> GateLine:
    """Fail where llr adds nothing to length, position, how often the word came, and surprisal.

    Parameters
    ----------
    words : sequence of Word or None
        (n_trials,); empty, or None for units that are no words: not assessable.
    llr, positive : (n_trials,)
    limits : FurtherLimits

    Notes
    -----
    Frequency is a small proxy: how often the word form came among these words (logarithm); length goes with it anyway (Zipf). Part
    of speech would need a tagger and is not in it.
    """
    known = [word for word in words if word is not None]
    if len(known) < len(llr) or not known:
        return not_assessable(Line.LEXICAL, "Lexical: the recordings do not say which words were shown, so llr was not compared with length or position.")
    items = {item: number for number, item in enumerate(dict.fromkeys(word.item for word in known))}
    if len(items) < _MIN_ITEMS:
        return not_assessable(Line.LEXICAL, f"Lexical: {len(items)} items are too few to tell words from answers; at least {_MIN_ITEMS} are needed.")
    forms = Counter(_form(word) for word in known)
    columns = [[float(len(_form(word))) for word in known], [float(word.position) for word in known], [float(np.log(forms[_form(word)])) for word in known]]
    names = ["length", "position", "frequency among these words"]
    surprisal = [word.surprisal_bits for word in known if word.surprisal_bits is not None]
    if len(surprisal) == len(known):
        columns.append(surprisal)
        names.append("surprisal")
    found = increment_of(llr, positive, np.array(columns).T, np.array([items[word.item] for word in known]))
    left_out = "part of speech" if "surprisal" in names else "surprisal and part of speech"
    sentence = (
        f"Words alone ({', '.join(names)}) reach AUC {found.covariates_auc:.2f}; llr adds to them with p = {found.p:.2g} (needs less than"
        f" {limits.increment_p:g}; {len(items)} items). Not compared: {left_out}."
    )
    return GateLine(Line.LEXICAL, passed_or_failed(found.p < limits.increment_p), found.p, limits.increment_p, sentence)


def _form(word: Word) -> str:
    return word.text.strip(" \t\n.,;:!?\"'()").lower()
