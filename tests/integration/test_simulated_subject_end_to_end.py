"""The simulated subject through calibration, gate and decoder: as good as it should be, held when there is nothing, blind to marks."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from acquisition.simulated_subject import SimulatedSubject, load_subject_key
from decoders.metrics import area_under_curve, auc_interval
from decoders.online import OnlineDecoder
from decoders.registry import Registry
from hardware_profiles import load_profile
from messaging.rewards import Reward
from messaging.words import ReleaseState
from recordings.log import read_log
from rlhb.demo import DemoSubject
from rlhb.demo_calibration import demo_decoder
from rlhb.items import item_file
from rlhb.simulation import SimulatedRun, simulate, unit_events

RUN_SEED = 2
PREDICTED_AUC = 0.73
"""What docs/simulated_subject.md says of a subject at scale 1."""


@dataclass(frozen=True)
class Annotated:
    run: SimulatedRun
    path: object
    registry: Registry
    rewards: list[Reward]


def decode(path, registry):
    online = OnlineDecoder(lambda ref: registry.load(ref.name, ref.version))
    return [reward for record in read_log(path) for reward in online.receive(record)]


def annotate(folder, effect):
    """Calibrate a subject, let it read the whole first item set in another run, decode."""
    decoder = demo_decoder(folder, DemoSubject(effect_scale=effect), lambda _what, _done: None)
    registry = Registry(folder / "decoders")
    run = SimulatedRun("token_rsvp", "first", run_seed=RUN_SEED, effect_scale=effect, decoder=decoder)
    path = simulate(run, folder / "run.xdf")
    return Annotated(run, path, registry, decode(path, registry))


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    return annotate(tmp_path_factory.mktemp("one"), 1.0)


@pytest.fixture(scope="module")
def without_effect(tmp_path_factory):
    return annotate(tmp_path_factory.mktemp("none"), 0.0)


def against_perception(found: Annotated):
    """Return llr and what the subject perceived, for every unit with a value."""
    run = found.run
    subject = SimulatedSubject(load_profile(run.profile), load_subject_key([item_file(run.item_set)]), run.subject_seed, run.run_seed, run.effect_scale)
    valued = [r for r in found.rewards if r.llr is not None]
    return np.array([r.llr for r in valued]), np.array([subject.perceived(r.presentation, r.unit) for r in valued])


def test_two_thousand_units_are_decoded_as_well_as_predicted(annotated):
    llr, perceived = against_perception(annotated)
    assert len(llr) >= 2000
    assert len(annotated.rewards) == len(unit_events(annotated.path))
    low, high = auc_interval(llr, perceived)
    assert low <= PREDICTED_AUC <= high
    assert 0.6 < area_under_curve(llr, perceived) < 0.9
    assert {r.release for r in annotated.rewards if r.llr is not None} == {ReleaseState.OK}
    assert {r.source.value for r in annotated.rewards} == {"simulated"}


def test_a_subject_without_effect_is_held_and_at_chance(without_effect):
    llr, perceived = against_perception(without_effect)
    low, high = auc_interval(llr, perceived) if np.ptp(llr) else (0.5, 0.5)
    assert low <= 0.5 <= high
    assert {r.release for r in without_effect.rewards} == {ReleaseState.HELD}
    assert all("gate" in r.release_reason for r in without_effect.rewards if r.llr is not None)


def test_permuting_the_marks_over_fixed_eeg_changes_no_llr(annotated, tmp_path):
    """What is right or wrong is moved to other words; the subject still knows the truth, so its EEG is the same."""
    original = item_file("first")
    lines = [json.loads(line) for line in original.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        for response in line["responses"]:
            n = len(response["text"].split())
            response["wrong"] = sorted((u + 3) % n for u in response["wrong"])
            response["subtle"], response["predictable_wrong"], response["surprising_correct"] = [], [], []
    permuted = tmp_path / "first.jsonl"
    permuted.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    path = simulate(replace(annotated.run, item_set=str(permuted), key_file=original), tmp_path / "run.xdf")
    again = decode(path, annotated.registry)
    assert [r.model_dump_json() for r in again] == [r.model_dump_json() for r in annotated.rewards]


def test_the_gate_compares_the_words_that_were_shown_with_the_llr(annotated):
    (name,) = (p.name for p in (annotated.path.parent / "decoders").iterdir())
    lexical = next(line for line in annotated.registry.load(name, None).gate if line.name == "lexical")
    assert lexical.verdict == "passed"
    assert "286 items" in lexical.sentence
    assert "Words alone" in lexical.sentence


def test_the_log_says_nothing_of_marks(annotated):
    raw = annotated.path.read_bytes()
    for word in (b'"wrong"', b"surprisal", b"subtle", b"perceived"):
        assert word not in raw
