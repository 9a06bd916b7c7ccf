"""The demo's calibration: simulated at full speed, fitted, and put through the gate before anything is shown."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from decoders.fit import FitSettings, fit_decoder
from decoders.kernels import kernel_set
from decoders.registry import Registry
from decoders.spec import RegistryError
from messaging.identity import digest
from messaging.records import DecoderRef
from messaging.words import Signal
from recordings.recording import read_recording
from rlhb.demo import DemoSubject
from rlhb.items import RIGHT, WRONG, item_file, marks_of
from rlhb.simulation import SimulatedRun, simulate
from rlhb.training_input import as_training
from server.sessions.protocols import shipped_protocols

CALIBRATION = "calibration_sentences"
NAME = "demo"
CALIBRATION_SEED = 1
"""Another seed than any run's: noise and noticing of the calibration do not come again."""
Progress = Callable[[str, float], None]


def demo_decoder(data_dir: Path, subject: DemoSubject, progress: Progress) -> DecoderRef:
    """Return the subject's decoder: fitted on a simulated calibration, unless the registry has it from an earlier start.

    Parameters
    ----------
    data_dir : Path
    subject : DemoSubject
    progress : callable
        Told what is being done, and the fraction.
    """
    registry = Registry(data_dir / "decoders")
    items = item_file(CALIBRATION)
    identity = digest("demo", subject.subject_seed, str(subject.effect_scale), hashlib.sha256(items.read_bytes()).hexdigest(), kernel_set())
    name = f"{NAME}-{identity[:8]}"
    try:
        return DecoderRef(name=name, version=registry.load(name, None).statement.version)
    except RegistryError:
        pass
    run = SimulatedRun(CALIBRATION, CALIBRATION, subject.subject_seed, CALIBRATION_SEED, subject.effect_scale)
    path = data_dir / "calibrations" / f"{name}.xdf"
    path.unlink(missing_ok=True)
    simulate(run, path, lambda done: progress("simulating the calibration", done))
    session = as_training(read_recording(path), [WRONG], [RIGHT], marks_of(items))
    protocol = shipped_protocols()[CALIBRATION]
    settings = FitSettings(name=name, signal=Signal.ERROR, task=protocol.task, soa_ms=protocol.soa_ms)
    decoder = fit_decoder([session], settings, progress)
    version = registry.save(decoder)
    return DecoderRef(name=name, version=version)
