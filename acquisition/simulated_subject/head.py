"""The subject's head: where its sources lie and how each shows at the electrodes.

A homogeneous-shell sphere under the electrodes of a standard montage. Which sources a subject has is drawn from its seed;
two runs of one subject share the head, two subjects do not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acquisition.simulated_subject.draws import generator
from acquisition.simulated_subject.errors import SubjectProfileError
from hardware_profiles import HardwareProfile

SPHERE_CENTRE_M = (0.0, 0.0146, 0.0408)
SPHERE_RADIUS_M = 0.098
"""Sphere through the electrodes of standard_1005, head coordinates (x right, y front, z up)."""
N_BACKGROUND = 150
N_DEEP = 15
DEEP_GAIN = 3.2
"""Deep sources stand for wide patches of cortex that work together; their moments bring the mean correlation of electrodes to about .5."""
MIDCINGULATE_M = (0.0, 0.022, 0.040)
"""Where the ErrP comes from, from the sphere's centre."""
N_MIDCINGULATE = 6
MIDCINGULATE_GAIN = 1.2
"""Ongoing midline activity from where the ErrP comes from, which no spatial filter removes: it sets the single-word AUC."""
N_ALPHA = 6
_LANDMARKS = ("Fp1", "Fp2", "FCz", "CPz", "M1", "M2")
"""Electrodes that topographies are scaled at or the reference needs, present in the profile or not."""


@dataclass(frozen=True, slots=True)
class Head:
    """Potentials of every source at every recorded channel, after referencing; channels that are no electrodes get zeros."""

    background: NDArray[np.float64]
    """(n_background, n_channels), arbitrary unit: `Background` scales it."""
    exponents: NDArray[np.float64]
    """(n_background,), beta of the 1/f^beta power spectrum of each source."""
    alpha: NDArray[np.float64]
    """(n_alpha, n_channels), arbitrary unit."""
    alpha_peak_hz: float
    errp: NDArray[np.float64]
    """(n_channels,), 1 at FCz."""
    n400: NDArray[np.float64]
    """(n_channels,), 1 at CPz."""
    blink: NDArray[np.float64]
    """(n_channels,), 1 on average of Fp1 and Fp2."""


def make_head(profile: HardwareProfile, subject_seed: int) -> Head:
    """Draw a subject's sources and compute what the profile's electrodes see of them.

    Parameters
    ----------
    profile : HardwareProfile
        Channels of kind ``eeg`` and ``eog`` need electrode names of `profile.montage`. `profile.reference`: ``mastoids`` (also for
        ``unknown``), ``average`` or the name of an electrode.
    subject_seed : int

    Returns
    -------
    Head

    Raises
    ------
    SubjectProfileError
        The montage, an electrode or the reference is unknown.
    """
    rng = generator(subject_seed, "head")
    centre = np.array(SPHERE_CENTRE_M)
    background_pos, background_ori = _background_dipoles(rng)
    alpha_pos, alpha_ori = _posterior_dipoles(rng)
    single_pos = centre + np.array([MIDCINGULATE_M, [0.0, -0.022, 0.040], [-0.030, 0.074, -0.032], [0.030, 0.074, -0.032]])
    # ErrP: midcingulate, pointing to FCz. N400: points to CPz. Eyes: the corneo-retinal dipole, forward and up.
    single_ori = np.array([[0.0, 0.30, 0.95], [0.0, -0.25, 0.97], [0.0, 0.9, 0.4], [0.0, 0.9, 0.4]])
    single_pos[:2] += rng.normal(0.0, 0.003, (2, 3))
    single_ori[:2] += rng.normal(0.0, 0.08, (2, 3))
    positions = np.concatenate([background_pos, alpha_pos, single_pos])
    orientations = np.concatenate([background_ori, alpha_ori, single_ori])
    leads, landmarks = _leadfield(profile, positions, orientations)
    n_sources = N_BACKGROUND + N_ALPHA
    errp, n400, eyes = leads[n_sources], leads[n_sources + 1], leads[n_sources + 2] + leads[n_sources + 3]
    eyes_at_fp = (landmarks["Fp1"] + landmarks["Fp2"])[n_sources + 2 :].sum() / 2
    return Head(
        background=_balanced(leads[:N_BACKGROUND], rng),
        exponents=rng.uniform(1.4, 2.0, N_BACKGROUND),
        alpha=leads[N_BACKGROUND:n_sources],
        alpha_peak_hz=float(np.clip(rng.normal(10.0, 0.6), 8.8, 11.2)),
        errp=errp / landmarks["FCz"][n_sources],
        n400=n400 / landmarks["CPz"][n_sources + 1],
        blink=eyes / eyes_at_fp,
    )


def _background_dipoles(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sources of the background: deep ones, some in the midcingulate cortex, and a shell of cortex (positions, orientations)."""
    centre = np.array(SPHERE_CENTRE_M)
    directions = rng.normal(size=(8 * N_BACKGROUND, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions[directions[:, 2] > -0.3][:N_BACKGROUND]
    positions = centre + directions * rng.uniform(0.035, 0.068, (N_BACKGROUND, 1))
    orientations = directions + rng.normal(0.0, 0.3, (N_BACKGROUND, 3))
    deep, middle = slice(0, N_DEEP), slice(N_DEEP, N_DEEP + N_MIDCINGULATE)
    positions[deep] = centre + np.array([0.0, -0.003, -0.005]) + rng.normal(0.0, 0.015, (N_DEEP, 3))
    orientations[deep] = np.array([0.0, 0.3, 1.0]) + rng.normal(0.0, 0.4, (N_DEEP, 3))
    positions[middle] = centre + np.array(MIDCINGULATE_M) + rng.normal(0.0, 0.006, (N_MIDCINGULATE, 3))
    orientations[middle] = np.array([0.0, 0.3, 0.95]) + rng.normal(0.0, 0.3, (N_MIDCINGULATE, 3))
    return positions, orientations


def _balanced(leads: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Background leads times the sources' moments.

    Cortex under the rim projects weakly and gets larger moments, which keeps every electrode within the range of real ones.
    """
    moments = rng.lognormal(0.0, 0.2, (len(leads), 1))
    moments[:N_DEEP] *= DEEP_GAIN
    moments[N_DEEP : N_DEEP + N_MIDCINGULATE] *= MIDCINGULATE_GAIN
    seen = leads**2
    sd = np.sqrt((seen * moments**2).sum(axis=0))
    electrodes = sd > 0
    weights = seen[:, electrodes] / seen[:, electrodes].sum(axis=1, keepdims=True)
    balanced: NDArray[np.float64] = leads * moments * (weights @ (1.0 / sd[electrodes]))[:, None]
    return balanced


def _posterior_dipoles(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sources of the alpha rhythm: around the calcarine and parieto-occipital sulci."""
    directions = np.array([0.0, -0.85, 0.40]) + rng.normal(0.0, 0.25, (N_ALPHA, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    orientations = directions + rng.normal(0.0, 0.3, (N_ALPHA, 3))
    return np.array(SPHERE_CENTRE_M) + 0.058 * directions, orientations


def _leadfield(
    profile: HardwareProfile, positions: NDArray[np.float64], orientations: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Potentials (n_dipoles, n_channels) of unit dipoles, and those at the landmarks, all against the profile's reference."""
    electrodes = [c.name for c in profile.channels if c.kind in ("eeg", "eog")]
    extra = [] if profile.reference in ("mastoids", "average", "unknown") else [profile.reference]
    names = list(dict.fromkeys([*electrodes, *_LANDMARKS, *extra]))
    potentials = _potentials(profile, names, positions, orientations)
    of = {name: potentials[:, k] for k, name in enumerate(names)}
    if profile.reference == "average":
        zero = np.mean([of[name] for name in electrodes], axis=0)
    elif extra:
        zero = of[extra[0]]
    else:
        zero = (of["M1"] + of["M2"]) / 2
    nothing = np.zeros(len(positions))
    leads = np.stack([of[c.name] - zero if c.name in of else nothing for c in profile.channels], axis=1)
    return leads, {name: of[name] - zero for name in _LANDMARKS}


def _potentials(profile: HardwareProfile, names: list[str], positions: NDArray[np.float64], orientations: NDArray[np.float64]) -> NDArray[np.float64]:
    import mne  # heavy, and only this function needs it

    # MNE 1.14 drops the old name of the same positions.
    name = "colin27_1005" if profile.montage == "standard_1005" and "colin27_1005" in mne.channels.get_builtin_montages() else profile.montage
    try:
        montage = mne.channels.make_standard_montage(name)
    except ValueError as error:
        raise SubjectProfileError(f"The montage '{profile.montage}' of profile '{profile.name}' is none that MNE knows. Use 'standard_1005'.") from error
    unknown = [name for name in names if name not in montage.ch_names]
    if unknown:
        raise SubjectProfileError(
            f"Profile '{profile.name}': {', '.join(unknown)} is no electrode of the montage '{profile.montage}'. The simulated subject needs electrode names "
            "such as Fz or PO7 for channels and reference ('mastoids' and 'average' are understood too); give other channels another kind."
        )
    mne_log = mne.set_log_level("ERROR", return_old_level=True)
    try:
        measurement = mne.create_info(names, 1000.0, "eeg")
        measurement.set_montage(montage)
        sphere = mne.make_sphere_model(SPHERE_CENTRE_M, SPHERE_RADIUS_M)
        unit = orientations / np.linalg.norm(orientations, axis=1, keepdims=True)
        count = len(positions)
        dipoles = mne.Dipole(np.arange(count) / 1000.0, positions, np.full(count, 1e-8), unit, np.ones(count))
        forward, _ = mne.make_forward_dipole(dipoles, sphere, measurement)
    finally:
        mne.set_log_level(mne_log)
    return np.asarray(forward["sol"]["data"], dtype=np.float64).T
