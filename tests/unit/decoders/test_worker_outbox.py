"""The worker's outbox: nothing leaves it before it is acknowledged, and a long absence of the server floods nobody."""

from hypothesis import given
from hypothesis import strategies as st

from decoders.worker.outbox import IN_FLIGHT, Outbox


def sent(outbox, epoch=1):
    batches = []
    while (batch := outbox.next_batch(epoch)) is not None:
        batches.append(batch.batch)
    return batches


@given(st.lists(st.sampled_from(["put", "send", "ack", "reconnect"]), max_size=120))
def test_every_batch_is_sent_in_order_until_acknowledged_and_few_at_a_time(steps):
    outbox, ordinal, flying, acked = Outbox("r"), 0, [], set()
    for step in steps:
        if step == "put":
            ordinal += 1
            outbox._batches[ordinal] = (ordinal - 1, ())  # the rewards themselves do not matter here
            outbox._number, outbox._taken = ordinal, ordinal
        elif step == "send":
            flying += sent(outbox)
        elif step == "reconnect":
            outbox.send_again()
            flying = []
        elif flying:
            acked.add(flying[0])
            outbox.acknowledge(flying.pop(0))
        assert len(flying) <= IN_FLIGHT
        assert flying == sorted(set(flying))
        waiting = [n for n in range(1, ordinal + 1) if n not in acked]
        assert outbox.progress == (waiting[0] - 1 if waiting else ordinal)
    outbox.send_again()
    while batches := sent(outbox):
        for number in batches:
            outbox.acknowledge(number)
            acked.add(number)
    assert acked == set(range(1, ordinal + 1))
    assert outbox.is_empty
