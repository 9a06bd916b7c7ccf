"""Sessions to fit on: drawn ones with a known effect, and real ones."""

from pathlib import Path

import numpy as np

from decoders.sessions import TrainingSession, training_session

NAMES = ("Fz", "C3", "Cz", "C4", "Pz", "PO7", "Oz", "PO8")


def drawn_session(
    seed: int = 0, *, effect_uv: float = 6.0, n_trials: int = 200, positive_fraction: float = 0.3, soa: int = 150, loud: float = 1.0
) -> TrainingSession:
    """Noise with a common part, plus a bump at 300-500 ms over the first four channels after positive onsets; 250 Hz."""
    rng = np.random.default_rng(seed)
    n_samples = n_trials * soa + 800
    samples = 5 * rng.standard_normal((n_samples, len(NAMES))) + 4 * rng.standard_normal((n_samples, 1))
    onsets = 400 + soa * np.arange(n_trials)
    positive = np.zeros(n_trials, dtype=bool)
    positive[rng.permutation(n_trials)[: round(positive_fraction * n_trials)]] = True
    bump = np.hanning(50)[:, np.newaxis] * np.array([1, 0.6, 1, 0.6, 0, 0, 0, 0])
    for onset in onsets[positive]:
        samples[onset + 75 : onset + 125] += effect_uv * bump
    return training_session((loud * samples).astype(np.float32), 250.0, NAMES, onsets, positive, sha256=f"{seed:064x}", recording_id=f"drawn-{seed}")


def real_session(path: Path, positive: str, negative: str) -> TrainingSession:
    """Read a FIF recording of the test recordings."""
    import mne

    raw = mne.io.read_raw(path, preload=True, verbose="error")
    wanted = [(round(a["onset"] * raw.info["sfreq"]), a["description"] == positive) for a in raw.annotations if a["description"] in (positive, negative)]
    onsets, marks = np.array([onset for onset, _ in wanted]), np.array([mark for _, mark in wanted])
    samples = (raw.get_data().T * 1e6).astype(np.float32)
    return training_session(samples, raw.info["sfreq"], tuple(raw.ch_names), onsets, marks, sha256=path.name, recording_id=path.stem)
