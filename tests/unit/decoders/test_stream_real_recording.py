"""Real EEG through the online decoder: the same rewards however it is cut, and the same features offline."""

import numpy as np
import pytest

from decoders import kernels
from decoders.artifacts import judge_window
from decoders.offline import filter_recording
from decoders.online import OnlineDecoder
from decoders.windows import features_at, window_layout
from messaging.words import ReleaseState
from tests.reference.decoder_logs import fitted, header, loader, log, rewards_of, unit, use, without_ordinals

pytestmark = pytest.mark.recordings


@pytest.fixture(scope="module")
def recording(recordings_dir):
    """Samples (float32, microvolt), rate, channel names, onsets and whether each is an error."""
    import mne

    raw = mne.io.read_raw_fif(recordings_dir / "semisynthetic_errp" / "sub-02_task-errpsim_raw.fif", preload=True, verbose="ERROR")
    samples = (raw.get_data() * 1e6).astype(np.float32).T.copy()
    onsets = np.round(raw.annotations.onset * raw.info["sfreq"]).astype(np.int64) - raw.first_samp * bool(raw.info["meas_date"])
    return samples, float(raw.info["sfreq"]), tuple(raw.ch_names), onsets, raw.annotations.description == "token/error"


def records_of(recording, cuts, delay=0, n_lost=0):
    samples, rate_hz, names, onsets, _ = recording
    placed = [(0, use()), *((int(onset) + delay, unit(int(onset), i)) for i, onset in enumerate(onsets))]
    lost = [(start, start + 9 + start % 7) for start in range(5000, 5000 + 2000 * n_lost, 2000)]
    return log(header(names=names, rate_hz=rate_hz), samples, placed, cuts, lost)


def decoder_for(recording):
    return fitted(names=("Fz", "C3", "Cz", "C4", "Pz"), rate_hz=recording[1])


@pytest.mark.parametrize("n_lost", [0, 8])
def test_two_chunkings_give_bit_equal_rewards(recording, n_lost):
    random, n, load = np.random.default_rng(7), len(recording[0]), loader(decoder_for(recording))
    fine = np.cumsum(random.integers(1, 33, n))
    coarse = np.cumsum(random.integers(1, 4000, 200))
    found = [
        rewards_of(OnlineDecoder(load), records_of(recording, cuts, delay, n_lost))
        for cuts, delay in ((fine, 0), (coarse, 0), (np.arange(0, n, 25_000), 0), (np.arange(0, n, 8), 400))
    ]
    assert all(without_ordinals(rewards) == without_ordinals(found[0]) for rewards in found[1:])
    assert len(found[0]) == len(recording[3])
    released = [reward for reward in found[0] if reward.release is ReleaseState.OK]
    assert len(released) > 150
    assert len({reward.llr for reward in released}) == len(released)


def test_live_scores_equal_offline_ones_bit_for_bit(recording):
    samples, rate_hz, names, onsets, _ = recording
    decoder = decoder_for(recording)
    rewards = rewards_of(OnlineDecoder(loader(decoder)), records_of(recording, range(0, len(samples), 8)))
    layout = window_layout(decoder.spec.window, rate_hz)
    offline = filter_recording(decoder.spec.preprocessing, samples, rate_hz, names)
    inside = [r for r in rewards if offline.holds(r.sample_index + layout.start, r.sample_index + layout.stop)]
    features = features_at(offline, np.array([r.sample_index for r in inside]), layout)
    for reward, row in zip(inside, features, strict=True):
        window = offline.read(reward.sample_index + layout.start, reward.sample_index + layout.stop)
        verdict = judge_window(*window, decoder.spec.artifacts, decoder.spec.preprocessing.channel_names)
        assert (reward.llr is None) == (verdict.rejected is not None)
        if reward.llr is not None:
            score = kernels.linear_score(row, decoder.scorer.weights, decoder.scorer.bias)
            assert reward.llr == 1.0 * score - 1.4 - (np.log(0.2) - np.log1p(-0.2))
    assert len(inside) >= len(onsets) - 2
