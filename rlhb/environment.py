"""What must be set before numpy is imported: one thread per numeric library, so that sums are added in one order."""

import os
import sys

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class EnvironmentMisfitError(Exception):
    """This Python environment cannot run rlhb; the message says why and what to do."""


def pin_threads() -> None:
    """Set one thread per numeric library.

    Raises
    ------
    EnvironmentMisfitError
        numpy was imported already with other settings: the promise of bit-identical decoding would not hold.
    """
    late = "numpy" in sys.modules and any(os.environ.get(name) != "1" for name in THREADS)
    for name in THREADS:
        os.environ[name] = "1"
    if late:
        raise EnvironmentMisfitError("numpy was imported before rlhb could pin its threads. Start `rlhb` as a command, not from another program.")


def check_rooms() -> None:
    """Refuse to start where another distribution owns one of our folder names.

    Raises
    ------
    EnvironmentMisfitError
        A room's name belongs to somebody else in this environment.
    """
    from importlib.util import find_spec
    from pathlib import Path

    root = Path(__file__).resolve().parent.parent
    for room in ("hardware_profiles", "messaging", "recordings", "acquisition", "decoders", "server", "web_ui", "training"):
        found = find_spec(room)
        if found is None or found.origin is None or Path(found.origin).resolve().parent.parent != root:
            where = found.origin if found else "nowhere"
            raise EnvironmentMisfitError(f"The package '{room}' that Python finds is not rlhb's ({where}). Install rlhb into an environment of its own.")
