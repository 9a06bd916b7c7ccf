"""Design of the causal band-pass and its state at rest."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from decoders.spec import MismatchError, Preprocessing

_MAX_ORDER = 8


def band_pass_sections(preprocessing: Preprocessing) -> NDArray[np.float64]:
    """Butterworth band-pass as second-order sections.

    Parameters
    ----------
    preprocessing : Preprocessing
        `highpass_hz` = 0 leaves a low-pass.

    Returns
    -------
    (n_sections, 6) float64, C-contiguous

    Raises
    ------
    MismatchError
        The edges are not 0 <= highpass < lowpass < rate / 2, or the order is not 1 to 8.

    Notes
    -----
    ``scipy.signal.butter(order, [highpass, lowpass], "bandpass")`` has `order` poles at each edge. The sections of a
    numerically sound design start from the edge frequencies, so a .1 Hz edge at 250 Hz stays stable where a transfer function
    of the same order would not.
    """
    rate_hz, low_hz, high_hz = preprocessing.sampling_rate_hz, preprocessing.highpass_hz, preprocessing.lowpass_hz
    if not rate_hz > 0:
        raise MismatchError(f"A sampling rate of {rate_hz} Hz is not a rate; give the stream's samples per second.")
    if not 0 <= low_hz < high_hz < rate_hz / 2:
        raise MismatchError(
            f"A band of {low_hz:g}-{high_hz:g} Hz does not fit a rate of {rate_hz:g} Hz: "
            f"the edges must be 0 <= high-pass < low-pass < {rate_hz / 2:g} Hz. Lower the low-pass or fit a decoder at this rate."
        )
    if not 1 <= preprocessing.order <= _MAX_ORDER:
        raise MismatchError(f"A filter order of {preprocessing.order} is outside 1-{_MAX_ORDER}; 2 is the default.")
    if low_hz == 0:
        sections = signal.butter(preprocessing.order, high_hz, "lowpass", fs=rate_hz, output="sos")
    else:
        sections = signal.butter(preprocessing.order, [low_hz, high_hz], "bandpass", fs=rate_hz, output="sos")
    return np.ascontiguousarray(sections, dtype=np.float64)


def resting_state(sections: NDArray[np.float64]) -> NDArray[np.float64]:
    """Delays (n_sections, 2, 1) of the filter after a constant input of 1 that has lasted for ever.

    Times the first sample of each channel it is a state without step transient: electrode offsets of millivolts would otherwise
    ring for seconds behind a .1 Hz high-pass.
    """
    return np.ascontiguousarray(signal.sosfilt_zi(sections), dtype=np.float64)[:, :, np.newaxis]
