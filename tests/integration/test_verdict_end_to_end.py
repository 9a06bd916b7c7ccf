"""Verdicts with the simulated subject: calibrated on signs that lie, judged, and labels that speak of the units."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from decoders.metrics import area_under_curve
from decoders.online import OnlineDecoder
from decoders.registry import Registry
from messaging.records import DecoderRef
from messaging.words import LabelKind, Polarity
from recordings.log import read_log
from rlhb.items import WRONG, item_file, marks_of
from rlhb.simulation import SimulatedRun, simulate

_SUBJECT = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibrate; the decoder is in the registry of the folder."""
    path = tmp_path_factory.mktemp("verdicts")
    recording = simulate(SimulatedRun("calibration_verdict", "calibration_sentences", subject_seed=_SUBJECT), path / "calibration.xdf")
    classes = ["--items", "calibration_sentences", "--positive", WRONG, "--negative", "unit/right"]
    command = [sys.executable, "-m", "rlhb", "fit", str(recording), *classes, "--out", "verdicts", "--data-dir", str(path), "--json"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    assert report["released"], report["gate"]
    assert {line["name"]: line["verdict"] for line in report["gate"]}["detection_j"] == "passed"
    return path


def test_labels_speak_of_the_unit_after_either_sign(folder: Path) -> None:
    run = SimulatedRun("cot_steps", "arithmetic_steps", _SUBJECT, run_seed=2, decoder=DecoderRef(name="verdicts", version=1))
    registry, marks = Registry(folder / "decoders"), marks_of(item_file("arithmetic_steps"))
    online = OnlineDecoder(lambda ref: registry.load(ref.name, ref.version))
    rewards = [reward for record in read_log(simulate(run, folder / "steps.xdf")) for reward in online.receive(record)]
    assert {reward.kind for reward in rewards} == {LabelKind.STEP}
    aucs = {}
    for polarity in Polarity:
        llr, wrong = [], []
        for reward in rewards:
            unit = reward.unit
            assert unit is not None
            assert unit.marker is not None
            assert unit.words is not None
            assert unit.response_id is not None
            if unit.marker.polarity is polarity and reward.llr is not None:
                llr.append(reward.llr)
                wrong.append(any(marks[unit.response_id, word] == WRONG for word in range(*unit.words)))
        aucs[polarity] = area_under_curve(np.array(llr), np.array(wrong))
    # A sign error of one polarity would put its AUC as far below .5 as it is above.
    assert min(aucs.values()) > 0.5, aucs
    assert max(aucs.values()) > 0.6, aucs
