"""Identities are the same everywhere and different for different facts."""

from hypothesis import given
from hypothesis import strategies as st

from messaging.identity import digest, event_id, label_id
from messaging.words import EventType, LabelKind, Signal

parts = st.lists(st.one_of(st.text(max_size=8), st.integers(), st.none()), max_size=5)


@given(a=parts, b=parts)
def test_different_parts_give_different_digests(a, b):
    assert (digest(*a) == digest(*b)) == (a == b)


def test_a_known_label_keeps_its_identity_for_ever():
    """Consumers store these: a change of the recipe would double every label."""
    assert label_id("s1", "p1", LabelKind.UNIT, 3, Signal.ERROR, "anna") == "44cce86863c0fb27969940c39a8581cb"


def test_unit_number_and_span_do_not_collide():
    assert label_id("s", "p", LabelKind.UNIT, 3, Signal.ERROR, "a") != label_id("s", "p", LabelKind.UNIT, "3", Signal.ERROR, "a")
    assert event_id("s", "p", EventType.UNIT, 1) != event_id("s", "p", EventType.UNIT, 11)
