"""Write the places of all 10-05 electrodes for the head map: ``src/operator/electrodes.ts``, from MNE's standard montage.

Run from the repository's root: ``python -m web_ui.scripts.electrodes``.
"""  # noqa: INP001 - outside the import contracts

from pathlib import Path

import mne
import numpy as np

TARGET = Path(__file__).resolve().parents[1] / "src" / "operator" / "electrodes.ts"
RIM = 0.86
"""Radius of the equator (the line through Fpz, T7, Oz, T8) on the map."""


def places() -> dict[str, tuple[float, float]]:
    """Azimuthal equidistant projection from above: x to the right, y to the front, the head's outline at radius 1."""
    positions = {name: np.asarray(p) for name, p in mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"].items()}
    ring = np.stack([positions[name] for name in ("Fpz", "Oz", "T7", "T8")])
    centre = ring.mean(axis=0)
    found = {}
    for name, position in positions.items():
        x, y, z = position - centre
        angle = np.arctan2(np.hypot(x, y), z) / (np.pi / 2)
        direction = np.array([x, y]) / max(np.hypot(x, y), 1e-9)
        found[name.upper()] = tuple(np.round(RIM * angle * direction, 2) + 0.0)
    return found


def main() -> None:
    """Write the file."""
    rows = "\n".join(f'  ["{name}", {x:g}, {y:g}],' for name, (x, y) in sorted(places().items()))
    TARGET.write_text(
        "// Generated from MNE's standard_1005 montage (python -m web_ui.scripts.electrodes). Do not edit.\n\n"
        "/** Name in capitals, x to the right, y to the front; seen from above, the head's outline has radius 1. */\n"
        f"export const ELECTRODES: readonly (readonly [string, number, number])[] = [\n{rows}\n];\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
