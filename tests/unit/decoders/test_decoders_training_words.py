"""Words of the shown units on their way into a fit: they stay with their onsets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from decoders.fit import words_of
from decoders.sessions import TrainingSession, Word, training_session


def session(onsets: list[int], words: list[Word | None]) -> TrainingSession:
    positive = np.arange(len(onsets)) % 2 == 0
    eeg = np.zeros((1000, 2), dtype=np.float32)
    return training_session(eeg, 250.0, ("Cz", "Pz"), np.array(onsets), positive, sha256="h", recording_id="r", words=words)


@given(st.lists(st.integers(0, 999), min_size=2, max_size=30, unique=True), st.data())
def test_words_stay_with_their_onsets_however_they_are_ordered_or_rejected(onsets: list[int], data: st.DataObject) -> None:
    words = [Word(f"w{onset}", "item", k) for k, onset in enumerate(onsets)]
    one = session(onsets, list(words))
    assert [w.text for w in one.words if w] == [f"w{onset}" for onset in one.onset_samples]
    other = session(onsets, [])
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=2 * len(onsets), max_size=2 * len(onsets))))
    found = words_of([one, other], kept)
    expected = [w for w, k in zip([*one.words, *(None,) * len(onsets)], kept, strict=True) if k]
    assert list(found) == (expected if any(expected) else [])


def test_recordings_without_words_give_none() -> None:
    one = session([1, 2], [])
    assert words_of([one, one], np.ones(4, dtype=bool)) == ()
