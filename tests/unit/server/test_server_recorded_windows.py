"""Windows of a recording around onsets: against slices of the whole recording, across chunks, gaps and its ends."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from messaging.records import Chunk
from recordings.writer import LogWriter
from server.errors import NotFound, TooLarge
from server.recorded_windows import REJECTED_UV, average_of, read_windows
from tests.reference.random_logs import RATE_HZ, header, profile

N_SAMPLES, WIDTH, N_BEFORE, N_BINS = 2000, 5, 10, 60
GAP = range(900, 905)


def write(path: Path, cuts: list[int], samples: NDArray[np.float32]) -> None:
    with LogWriter.create(path, header(profile(("Fz", "EOG1", "Cz")))) as log:
        ordinal = 2
        for start, end in zip([0, *cuts], [*cuts, N_SAMPLES], strict=True):
            for first, last in ((start, min(end, GAP.start)), (max(start, GAP.stop), end)):
                if first < last:
                    log.write(Chunk(ordinal, first, 1000 + first / RATE_HZ, samples[first:last]))
                    ordinal += 1


def naive(samples: NDArray[np.float32], onset: int) -> NDArray[np.float64]:
    """The window cut out of the whole recording: the slow, obvious way."""
    whole = samples[:, [0, 2]].astype(np.float64)
    whole[GAP.start : GAP.stop] = np.nan
    means = np.full((2, N_BINS), np.nan)
    for k in range(N_BINS):
        first = onset + (k - N_BEFORE) * WIDTH
        if first >= 0 and first + WIDTH <= N_SAMPLES:
            means[:, k] = whole[first : first + WIDTH].mean(axis=0)
    return means - means[:, :N_BEFORE].mean(axis=1, keepdims=True)


@given(
    cuts=st.lists(st.integers(1, N_SAMPLES - 1), unique=True, max_size=30).map(sorted),
    onsets=st.lists(st.integers(-400, N_SAMPLES + 400), max_size=12),
    seed=st.integers(0, 100),
)
def test_windows_are_the_slices_of_the_recording_however_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], onsets: list[int], seed: int
) -> None:
    samples = np.random.default_rng(seed).normal(0, 20, (N_SAMPLES, 3)).astype(np.float32)
    path = tmp_path_factory.mktemp("windows") / "r.xdf"
    write(path, cuts, samples)
    found = read_windows(path, onsets)
    assert found.channel_names == ("Fz", "Cz")
    assert found.times_ms[[0, N_BEFORE, -1]] == pytest.approx([-190, 10, 990])
    for k, onset in enumerate(onsets):
        np.testing.assert_allclose(found.values_uv[k], naive(samples, onset), atol=1e-4)


def test_an_average_leaves_out_gaps_and_large_windows_of_their_channel_alone() -> None:
    values = np.zeros((4, 2, 3), dtype=np.float32)
    values[0] = 1.0
    values[1] = 3.0
    values[2, 0, 1] = REJECTED_UV + 1
    values[2, 1] = 5.0
    values[3, :, 2] = np.nan
    found = average_of(values)
    assert found.n_windows == 4
    np.testing.assert_allclose(found.mean_uv, [[2, 2, 2], [3, 3, 3]])
    np.testing.assert_allclose(found.sem_uv, [[1, 1, 1], [np.sqrt(4 / 3)] * 3], rtol=1e-6)


def test_an_average_of_nothing_is_nothing_and_one_window_has_no_error() -> None:
    assert np.isnan(average_of(np.empty((0, 2, 3), dtype=np.float32)).mean_uv).all()
    one = average_of(np.ones((1, 2, 3), dtype=np.float32))
    assert (one.mean_uv == 1).all()
    assert np.isnan(one.sem_uv).all()


def test_a_missing_recording_and_one_that_is_too_large_are_said_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match=r"gone is not on the server's machine.*rlhb export"):
        read_windows(tmp_path / "gone.xdf", [0])
    write(tmp_path / "r.xdf", [], np.zeros((N_SAMPLES, 3), dtype=np.float32))
    monkeypatch.setattr("server.recorded_windows.LARGEST_FILE_BYTES", 1000)
    with pytest.raises(TooLarge, match="rlhb export"):
        read_windows(tmp_path / "r.xdf", [0])
