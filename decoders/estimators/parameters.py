"""Taking learnt numbers out of a decoder's file: right names, right shapes, finite."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from decoders.spec import MismatchError


def taken(parameters: Mapping[str, NDArray[np.float64]], what: str, shapes: Mapping[str, tuple[int | None, ...]]) -> list[NDArray[np.float64]]:
    """Return the named arrays, C-contiguous float64 and owned by the caller.

    Parameters
    ----------
    parameters : mapping of str to array
    what : str
        Kind of scorer, for the sentence.
    shapes : mapping of str to tuple
        Expected shape of each name, in the order of the answer; None for a free length of at least 1.

    Raises
    ------
    MismatchError
        A name is missing, a shape does not fit, or a value is not finite.
    """
    arrays = []
    for name, shape in shapes.items():
        if name not in parameters:
            raise MismatchError(f"The parameters of a '{what}' decoder lack '{name}' (there: {', '.join(parameters) or 'none'}); fit the decoder again.")
        array = np.array(parameters[name], dtype=np.float64, order="C")
        fits = array.ndim == len(shape) and all(n == wanted or (wanted is None and n > 0) for n, wanted in zip(array.shape, shape, strict=True))
        if not fits:
            wanted_shape = " x ".join("any" if n is None else str(n) for n in shape) or "one number"
            raise MismatchError(f"Parameter '{name}' of a '{what}' decoder has shape {array.shape}, expected {wanted_shape}; fit the decoder again.")
        if not np.isfinite(array).all():
            raise MismatchError(f"Parameter '{name}' of a '{what}' decoder holds values that are not finite; fit the decoder again.")
        arrays.append(array)
    return arrays
