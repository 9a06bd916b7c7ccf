"""The accuracy benchmark compares what it says: the same trials, ours and the peers', with an interval of the difference."""

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.accuracy_peers import PEERS, epochs_of, paired_interval, peer_scores
from decoders.metrics import area_under_curve
from messaging.words import Signal
from tests.reference.training_sessions import drawn_session


def test_a_row_scores_ours_and_every_peer_on_the_same_trials(monkeypatch):
    monkeypatch.setattr(accuracy, "DEFAULT", ("lda",))
    row = accuracy._within(drawn_session(), Signal.ERROR, 0.5)
    assert set(row.peers) == {p.name for p in PEERS}
    assert row.best_peer_auc == max(row.peers.values())
    assert row.auc > 0.7
    assert row.met
    low, high = row.difference_ci95
    assert low <= row.auc - row.best_peer_auc <= high
    assert row.offline_auc == pytest.approx(row.auc, abs=0.01)


def test_a_peer_learns_nothing_from_the_trials_it_is_tested_on():
    session = drawn_session()
    peer = PEERS[0]
    epochs, train = epochs_of(session, peer), np.arange(len(session.positive)) < 90
    test = np.flatnonzero(~train)
    scores = peer_scores(peer, epochs, session.positive, train, test, session.sampling_rate_hz)
    turned = np.where(train, session.positive, ~session.positive)
    assert (peer_scores(peer, epochs, turned, train, test, session.sampling_rate_hz) == scores).all()
    assert area_under_curve(scores, session.positive[test]) > 0.7


def test_the_interval_of_a_paired_difference_is_zero_for_equal_scores_and_away_from_it_for_a_better_one():
    random = np.random.default_rng(0)
    positive = np.arange(400) % 4 == 0
    good, bad = positive * 2.0 + random.normal(size=400), random.normal(size=400)
    blocks = np.array_split(np.arange(400), 20)
    assert paired_interval(good, good, positive, blocks, 200) == (0.0, 0.0)
    assert paired_interval(good, bad, positive, blocks, 200)[0] > 0.2
