"""A BIDS dataset of one recording: EDF+ with events, channels and sidecar, through MNE-BIDS."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

from recordings.errors import RecordingError
from recordings.export.content import Setup, setup_of
from recordings.export.edf_file import write_edf
from recordings.export.mne_raw import MNE_KINDS, describe
from recordings.recording import Recording

_EVENT_COLUMNS = {
    "trial_type": "What happened: the event's type and, of a unit, its index in the response (unit/3). BAD_ACQ_SKIP: nothing was recorded.",
}


def write_bids(recording: Recording, root: Path, *, with_text: bool) -> tuple[str, ...]:
    """Write a BIDS dataset with the recording as EDF+.

    Subject, session and task are the recording's, less the characters that BIDS does not allow in names.

    Raises
    ------
    RecordingError
        MNE-BIDS refuses the recording, or its rate does not fit EDF.

    References
    ----------
    Pernet et al. (2019), EEG-BIDS, doi:10.1038/s41597-019-0104-8; Appelhoff et al. (2019), MNE-BIDS, doi:10.21105/joss.01896.
    """
    import mne  # takes about a second
    import mne_bids

    setup = setup_of(recording)
    root.mkdir()
    plain = root / "source.edf"
    remarks = write_edf(recording, plain, bdf=False, with_text=with_text, say_kinds=False)
    target = mne_bids.BIDSPath(subject=_label(setup.subject), session=_label(setup.session_id), task=_label(setup.task), datatype="eeg", root=root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of MNE-BIDS to its caller; what it writes is read back in the tests
        raw = mne.io.read_raw_edf(plain, preload=False, verbose="ERROR")
        kinds = {name: MNE_KINDS.get(kind, "misc") for name, kind in zip(raw.ch_names, recording.channel_kinds, strict=True)}
        raw.set_channel_types(kinds, verbose="ERROR")
        describe(raw, setup)
        try:
            mne_bids.write_raw_bids(raw, target, overwrite=True, verbose="ERROR")
        except Exception as error:  # MNE-BIDS raises what it meets; this is the border
            raise RecordingError(f"{recording.path} cannot be written as BIDS: {' '.join(str(error).split())[:300]}. Export another format.") from error
        mne_bids.make_dataset_description(path=root, name=f"Recording {setup.recording_id}", authors=["unknown"], overwrite=True, verbose="ERROR")
    plain.unlink()
    _complete(target, recording, setup)
    return remarks


def _label(text: str) -> str:
    """BIDS allows letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "", text) or "unknown"


def _complete(target: Any, recording: Recording, setup: Setup) -> None:
    """Add to the sidecars what MNE has no field for."""
    folder = Path(target.directory)
    sidecar = next(folder.glob("*_eeg.json"))
    fields = json.loads(sidecar.read_text(encoding="utf-8"))
    fields |= {
        "EEGReference": setup.reference,
        "EEGGround": setup.ground,
        "Manufacturer": setup.board,
        "ManufacturersModelName": setup.board_name,
        "SoftwareVersions": setup.software,
        "SoftwareFilters": "n/a",
        "PowerLineFrequency": setup.mains_hz or "n/a",
        "RecordingType": "continuous" if len(recording.segments) <= 1 else "discontinuous",
        "TaskDescription": f"{setup.task}; recording {setup.recording_id}",
    }
    sidecar.write_text(json.dumps(fields, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
    for events in folder.glob("*_events.json"):
        said = json.loads(events.read_text(encoding="utf-8"))
        for column, description in _EVENT_COLUMNS.items():
            said[column] = said.get(column, {}) | {"Description": description}
        events.write_text(json.dumps(said, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
