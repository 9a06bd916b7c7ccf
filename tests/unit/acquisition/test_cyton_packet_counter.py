"""Packet numbers to sample numbers: losses, wraps, bursts, doubled, late and false packets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquisition.packet_counter import Numbering, PacketCounter, numbering_of

RATE_HZ = 250.0


def in_pieces(counter, packets, stamps, cuts):
    """Hand packets over in pieces, as a board does; returns the sample number of each."""
    index = np.full(len(packets), -1, dtype=np.int64)
    held, at = 0, 0
    for end in [*sorted({c for c in cuts if 0 < c < len(packets)}), len(packets)]:
        begin = at - held
        placed = counter.advance(packets[begin:end], stamps[begin:end], final=end == len(packets))
        index[begin:end] = placed.index
        held, at = placed.undecided, end
    assert held == 0
    return index


cut_lists = st.lists(st.integers(1, 400), max_size=8)


@given(lost=st.lists(st.integers(0, 600), min_size=2, max_size=60), modulus=st.sampled_from([101, 128, 256]), cuts=cut_lists)
def test_lost_packets_are_counted_also_when_the_counter_wraps(lost, modulus, cuts):
    truth = np.cumsum([1 + n for n in lost]) - 1 - lost[0]
    index = in_pieces(PacketCounter(modulus, RATE_HZ), (truth % modulus).astype(float), truth / RATE_HZ, cuts)
    assert index.tolist() == truth.tolist()


@given(
    seed=st.integers(0, 2**32 - 1), drop=st.floats(0, 0.3), jitter_ms=st.floats(0, 60), burst=st.integers(1, 40), ppm=st.floats(-300, 300), cuts=cut_lists
)  # fmt: skip
def test_random_loss_is_found_exactly_through_bursts_jitter_and_drift(seed, drop, jitter_ms, burst, ppm, cuts):
    rng = np.random.default_rng(seed)
    n = 600
    sent = np.flatnonzero(rng.random(n) >= drop)
    sent = np.unique(np.concatenate((np.arange(3), sent)))
    taken = np.arange(n) / RATE_HZ / (1 + ppm * 1e-6)
    arrives = np.maximum.accumulate(taken[np.minimum((np.arange(n) // burst + 1) * burst - 1, n - 1)] + rng.exponential(jitter_ms / 3e3, n).clip(0, 0.15))
    index = in_pieces(PacketCounter(256, RATE_HZ), (sent % 256).astype(float), arrives[sent], cuts)
    assert index.tolist() == sent.tolist()


@given(pause=st.integers(1, 3000), lost=st.booleans(), extra=st.integers(0, 40), cut=st.integers(260, 320), seed=st.integers(0, 2**32 - 1))
def test_a_delivery_that_waits_is_no_loss_and_a_loss_that_long_is(pause, lost, extra, cut, seed):
    """After a pause the packets either come all at once (none is missing) or go on at their own time (all of them are)."""
    before, after = np.arange(300), np.arange(300, 300 + pause + pause // 2 + 200)
    if lost:
        after = after[pause:]
        stamps = np.concatenate((before, after)) / RATE_HZ
    else:
        hiccups_s = np.random.default_rng(seed).choice([1e-5, 8e-3], len(after), p=[0.9, 0.1])  # the burst itself is uneven
        stamps = np.concatenate((before / RATE_HZ, np.maximum(after / RATE_HZ, (300 + pause) / RATE_HZ + np.cumsum(hiccups_s))))
    truth = np.concatenate((before, after))
    index = in_pieces(PacketCounter(256, RATE_HZ), (truth % 256).astype(float), stamps, [cut, cut + 1, cut + extra, 300 + extra])
    assert index.tolist() == truth.tolist()


@given(seed=st.integers(0, 2**32 - 1), cuts=cut_lists)
def test_a_doubled_or_late_packet_is_left_out_and_shifts_nothing(seed, cuts):
    rng = np.random.default_rng(seed)
    order, kept = [], []
    for k in range(300):
        order.append(k)
        if k > 3 and rng.random() < 0.05:
            order.append(k - int(rng.integers(0, 4)))  # came already, or comes again late
    packets = np.array(order)
    stamps = np.maximum.accumulate(packets) / RATE_HZ
    index = in_pieces(PacketCounter(256, RATE_HZ), (packets % 256).astype(float), stamps, cuts)
    kept = index[index >= 0]
    assert kept.tolist() == list(range(300))
    assert (index[index >= 0] == packets[index >= 0]).all()


@given(seed=st.integers(0, 2**32 - 1), cuts=cut_lists)
def test_false_packets_out_of_garbage_never_shift_what_follows(seed, cuts):
    rng = np.random.default_rng(seed)
    packets, truth, stamps = [], [], []
    for k in range(500):
        if k > 5 and rng.random() < 0.02:
            packets.append(int(rng.integers(0, 256)))
            truth.append(-1)
            stamps.append(k / RATE_HZ)
        else:
            packets.append(k % 256)
            truth.append(k)
            stamps.append(k / RATE_HZ)
    truth, index = np.array(truth), in_pieces(PacketCounter(256, RATE_HZ), np.array(packets, dtype=float), np.array(stamps), cuts)
    real = (truth >= 0) & (index >= 0)
    wrong = real & (index != truth)
    assert not wrong.any()
    assert (np.diff(index[index >= 0]) > 0).all()
    assert real.sum() > 0.4 * (truth >= 0).sum()


@given(rate=st.floats(150, 400))
def test_a_board_at_a_wrong_rate_does_not_seem_to_lose_samples(rate):
    truth = np.arange(2500)
    index = in_pieces(PacketCounter(256, RATE_HZ), (truth % 256).astype(float), truth / rate, range(0, 2500, 37))
    assert index.tolist() == truth.tolist()


@given(lost=st.lists(st.integers(0, 50), min_size=2, max_size=40), cuts=cut_lists)
def test_daisy_samples_are_numbered_by_every_second_packet(lost, cuts):
    truth = np.cumsum([1 + n for n in lost]) - 1 - lost[0]
    index = in_pieces(PacketCounter(numbering_of(2, 256), 125.0), (2 * truth % 256).astype(float), truth / 125.0, cuts)
    assert index.tolist() == truth.tolist()


def test_a_daisy_sample_made_of_an_old_half_is_left_out():
    """The driver repeats the number, and the Daisy's half of the sample before, when the first packet of a pair was lost."""
    packets = np.array([0, 2, 4, 4, 8, 10], dtype=float)
    index = in_pieces(PacketCounter(numbering_of(2, 256), 125.0), packets, np.array([0, 1, 2, 3, 4, 5]) / 125.0, [])
    assert index.tolist() == [0, 1, 2, -1, 4, 5]


@given(lost=st.sets(st.integers(1, 400), max_size=60), offset=st.sampled_from([0, 100]), cuts=cut_lists)
def test_ganglion_packets_hold_two_samples_and_the_first_of_a_turn_one(lost, offset, cuts):
    packets, truth, sample = [], [], 0
    for k in range(404):
        number = k % 101
        count = 1 if number == 0 else 2
        if k not in lost:
            packets += [number + offset if number else 0] * count
            truth += range(sample, sample + count)
        sample += count
    stamps = np.array(truth) / 200.0
    index = in_pieces(PacketCounter(numbering_of(1, 101), 200.0), np.array(packets, dtype=float), stamps, cuts)
    assert index.tolist() == truth


@given(lost=st.sets(st.integers(1, 60), max_size=20), cuts=cut_lists)
def test_muse_packets_hold_twelve_samples_also_when_they_are_read_in_pieces(lost, cuts):
    kept = [k for k in range(65500, 65570) if k - 65500 not in lost]
    packets = np.repeat([k % 65536 for k in kept], 12).astype(float)
    truth = np.concatenate([np.arange(12) + 12 * (k - 65500) for k in kept])
    index = in_pieces(PacketCounter(numbering_of(38, 65536), 256.0), packets, truth / 256.0, cuts)
    assert index.tolist() == truth.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -3.0, 300.0])
def test_a_packet_with_an_impossible_number_is_refused_and_counted(bad):
    counter = PacketCounter(256, RATE_HZ)
    index = in_pieces(counter, np.array([0, 1, bad, 2, 3]), np.arange(5) / RATE_HZ, [])
    assert index.tolist() == [0, 1, -1, 2, 3]
    assert counter.refused == 1


def test_a_board_without_numbers_loses_samples_in_time_only():
    stamps = np.array([0, 0.004, 0.008, 3.008, 3.012])
    index = in_pieces(PacketCounter(Numbering(None), RATE_HZ), np.zeros(5), stamps, [])
    assert index.tolist() == [0, 1, 2, 752, 753]


def test_counting_goes_on_where_it_is_told_to_after_the_driver_was_opened_again():
    counter = PacketCounter(256, RATE_HZ)
    counter.advance(np.array([7.0, 8.0]), np.array([0.0, 0.004]))
    counter.resume(5000)
    assert counter.advance(np.array([0.0, 1.0]), np.array([20.0, 20.004])).index.tolist() == [5000, 5001]


@given(false=st.integers(0, 255))
def test_garbage_before_the_first_packet_does_not_decide_where_the_stream_begins(false):
    packets, stamps = np.array([float(false), *range(100, 140)]), np.concatenate(([0.0], np.arange(40) / RATE_HZ))
    index = in_pieces(PacketCounter(256, RATE_HZ), packets, stamps, range(1, 40))
    kept = index[1:][index[1:] >= 0]
    assert (np.diff(kept) == 1).all()
    assert len(kept) == 40
    assert kept[0] <= 4


@given(numbers=st.lists(st.integers(-5, 400), min_size=1, max_size=300), spread=st.floats(0, 300))
def test_what_is_held_back_is_bounded_whatever_comes(numbers, spread):
    """More than fifteen seconds of stream are never held, and everything is decided in the end."""
    counter = PacketCounter(16, 2.0)
    held = np.zeros(0)
    stamps = np.linspace(0, spread, len(numbers))
    for k, number in enumerate(numbers):
        held = np.append(held, float(number))
        placed = counter.advance(held, stamps[k + 1 - len(held) : k + 1], final=k + 1 == len(numbers))
        held = held[len(held) - placed.undecided :]
        assert len(held) <= 15 * 2
    assert len(held) == 0
