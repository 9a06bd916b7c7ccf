"""The reward model: what it may learn from, what it promises, and that it finds what is there and nothing that is not."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhb.commands.training import reward_model
from rlhb.errors import CommandError
from rlhb_client import Label, Superseded, Unit, row_json
from training.evaluation import ordered, pairs_of, shuffled, train_and_test
from training.labels import Observation, Response, TrainingError, collect, held_out
from training.reward_model import RewardModel, TrainingSettings, batch_of, pair_loss, scores_of, trained, word_buckets

GOOD, BAD = ("apple", "pear", "plum", "cherry", "melon", "fig"), ("hammer", "tractor", "wrench", "anvil", "glacier", "diesel")
QUICK = TrainingSettings(epochs=60)


def label(k=0, **changed):
    fields = {
        "label_id": f"l{k}", "revision": 1, "seq": k + 1, "release": "ok", "kind": "unit", "signal": "error", "subject": "S", "item_id": "i",
        "response_id": "r", "prompt": "P", "unit": Unit(index=k, text=f"w{k}"), "llr": 0.5, "catch": "none", "source": "simulated",
    }  # fmt: skip
    return Label(**(fields | changed))


def drawn_responses(seed=0, n_items=60, d_prime=0.9):
    """Two responses an item, one of them with tools among the fruit; llr of a decoder of AUC about .74."""
    random, found = np.random.default_rng(seed), []
    for k in range(n_items):
        for name, n_bad in (("a", 0), ("b", 2)):
            words = [*random.choice(BAD, n_bad), *random.choice(GOOD, 6 - n_bad)]
            words = [str(w) for w in random.permutation(words)]
            llr = [float(random.normal(d_prime / 2 if w in BAD else -d_prime / 2) * d_prime) for w in words]
            seen = tuple(Observation(f"{k}{name}{i}", "S", i, value) for i, value in enumerate(llr))
            found.append(Response(f"i{k}", f"i{k}{name}", "P", tuple(words), seen))
    return found


MARKS = {(r.response_id, k): w in BAD for r in drawn_responses() for k, w in enumerate(r.units)}


def test_held_revoked_and_withdrawn_labels_are_refused_by_name():
    rows = [
        label(0), label(1, release="held"), label(2, release="revoked"), label(3), Superseded("l3", 2, 9, "held", "x"), label(4, catch="bad"),
        label(5, llr=None), label(6, signal="surprise"), label(7, response_id=None), label(0, revision=2, seq=12, llr=0.75),
    ]  # fmt: skip
    found = collect(rows)
    (response,) = found.responses
    assert [(o.unit, o.llr) for o in response.observations] == [(0, 0.75)]
    expected = {"held": 2, "revoked": 1, "catch trial": 1, "without a value": 1, "another kind or signal": 1, "without a response": 1}
    assert (dict(found.refused), found.last_seq, found.simulated) == (expected, 12, True)
    with pytest.raises(TrainingError, match="1 held"):
        collect([label(0, release="held")])


def test_unseen_items_are_ordered_and_shuffled_labels_order_nothing():
    outcome = train_and_test(drawn_responses(), QUICK, MARKS, 0.3, lambda *_: None)
    assert outcome.accuracy.value > 0.85
    assert outcome.beats_control
    assert outcome.p_value == 0.05
    assert outcome.control.ci95[0] < 0.6
    assert outcome.against == "marks of the items (fewer wrong words are better); responses to the same item"


def test_noise_beats_no_control():
    responses = shuffled(drawn_responses(), 7)
    outcome = train_and_test(responses, QUICK, MARKS, 0.3, lambda *_: None)
    assert outcome.p_value > 0.05
    assert not outcome.beats_control


def test_training_is_the_same_each_time_and_the_model_comes_back(tmp_path):
    responses = drawn_responses(n_items=12)
    torch.manual_seed(3)
    first = trained(responses, QUICK)
    torch.manual_seed(4)
    again = trained(responses, QUICK)
    assert (scores_of(first, responses) == scores_of(again, responses)).all()
    first.save(tmp_path)
    assert (scores_of(RewardModel.load(tmp_path), responses) == scores_of(first, responses)).all()
    (tmp_path / "model.npz").write_bytes(b"cut")
    with pytest.raises(TrainingError, match="no reward model"):
        RewardModel.load(tmp_path)


def test_a_score_is_the_sum_of_its_words_values_and_no_gain_is_positive():
    responses = drawn_responses(n_items=6)
    model = trained(responses, QUICK)
    batch = batch_of(responses, ("S",))
    with torch.no_grad():
        values = model.values(batch).numpy()
    assert scores_of(model, responses)[0] == pytest.approx(values[: len(responses[0].units)].sum(), abs=1e-5)
    assert (-torch.nn.functional.softplus(model.gain) < 0).all()


@given(st.floats(-4, 4), st.floats(-6, 6))
def test_the_pair_loss_is_the_one_of_the_definition(difference, llr):
    p = 1 / (1 + math.exp(-difference))
    assert float(pair_loss(torch.tensor([difference]), torch.tensor([llr]))) == pytest.approx(-math.log(p * math.exp(llr) + 1 - p), abs=1e-4)


@given(st.text(max_size=12))
def test_words_of_any_script_have_buckets(word):
    assert word_buckets(word) == word_buckets(word)
    assert all(0 <= k < 1 << 14 for k in word_buckets(word))


def test_items_stay_on_their_side_and_pairs_point_the_right_way():
    assert [held_out(f"i{k}", 0.3) for k in range(50)] == [held_out(f"i{k}", 0.3) for k in range(50)]
    assert abs(sum(held_out(f"i{k}", 0.3) for k in range(2000)) / 2000 - 0.3) < 0.03
    responses = drawn_responses(n_items=3)
    pairs = pairs_of(responses, MARKS)
    perfect = np.array([1.0 if r.response_id.endswith("a") else 0.0 for r in responses])
    assert (ordered(perfect, pairs) == 1).all()
    assert (ordered(np.zeros(len(responses)), pairs) == 0.5).all()
    with pytest.raises(TrainingError, match="no pair"):
        pairs_of(responses[:1], MARKS)


def test_the_command_writes_model_and_card_or_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("training.evaluation.SHUFFLES", 1)
    file, seq = tmp_path / "labels.ndjson", 0
    lines = []
    for r in drawn_responses(n_items=24):
        for o in r.observations:
            seq += 1
            row = label(
                o.unit, label_id=o.label_id, seq=seq, item_id=r.item_id, response_id=r.response_id, unit=Unit(index=o.unit, text=r.units[o.unit]), llr=o.llr
            )
            lines.append(json.dumps(row_json(row)))
    file.write_text("\n".join(lines))
    reward_model(out=tmp_path / "model", labels=file, as_json=True)
    about = json.loads(capsys.readouterr().out)
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"model.npz", "model.json", "card.md", "card.json", "labels.json", "accuracy.svg"}
    assert about["simulated"]
    assert "SIMULATED" in (tmp_path / "model" / "card.md").read_text()
    assert about["against"].startswith("neural evidence")
    with pytest.raises(CommandError, match="there already"):
        reward_model(out=tmp_path / "model", labels=file)
    file.write_text(json.dumps(row_json(replace(label(0), release="held"))))
    with pytest.raises(CommandError, match="1 held"):
        reward_model(out=tmp_path / "other", labels=file)
    assert [p.name for p in tmp_path.iterdir() if "other" in p.name] == []
