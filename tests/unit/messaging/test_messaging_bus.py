"""The bus on a real Valkey: order, repetition, loss, leases."""

import pytest

from messaging.bus import ActiveRecording, Bus, BusError


async def test_publishing_twice_leaves_one_entry(valkey):
    bus = Bus(valkey.url)
    await bus.publish("r", [(1, b"a"), (2, b"b")], 0)
    await bus.publish("r", [(1, b"a"), (2, b"b"), (3, b"c")], 0)
    assert await bus.read("r", 0, 10) == [(1, b"a"), (2, b"b"), (3, b"c")]
    assert await bus.read("r", 2, 10) == [(3, b"c")]
    assert await bus.last_ordinal("r") == 3
    await bus.close()


async def test_what_is_older_than_the_limit_is_trimmed_and_the_rest_is_not(valkey):
    bus = Bus(valkey.url)
    for k in range(1, 2001):
        await bus.publish("r", [(k, b"x" * 50)], keep_after=k - 500)
    ordinals = [o for o, _ in await bus.read("r", 0, 10, count=5000)]
    assert ordinals == list(range(ordinals[0], 2001))
    assert 500 <= len(ordinals) <= 800
    await bus.close()


async def test_one_worker_at_a_time_and_epochs_only_rise(valkey):
    bus = Bus(valkey.url)
    assert await bus.take_lease("r", "anna", 0, 60_000) == 1
    assert await bus.take_lease("r", "bert", 0, 60_000) is None
    assert not await bus.renew_lease("r", "bert", 60_000)
    await bus.drop_lease("r", "bert")
    assert await bus.renew_lease("r", "anna", 60_000)
    await bus.drop_lease("r", "anna")
    assert await bus.take_lease("r", "bert", 0, 60_000) == 2
    valkey.kill()
    valkey.start()
    again = Bus(valkey.url)
    assert await again.take_lease("r", "carl", 7, 60_000) == 8
    await bus.close()
    await again.close()


async def test_a_restarted_bus_has_forgotten_the_generation(valkey):
    bus = Bus(valkey.url)
    await bus.announce(ActiveRecording("r", "s", "path", "g1"))
    assert await bus.generation("r") == "g1"
    assert await bus.recordings() == [ActiveRecording("r", "s", "path", "g1")]
    valkey.kill()
    with pytest.raises(BusError, match="RLHB_BUS_URL"):
        await bus.ping()
    valkey.start()
    assert await bus.generation("r") is None
    await bus.close()


async def test_a_bus_that_is_not_there_is_one_sentence():
    bus = Bus("unix:///nonexistent/bus.sock")
    with pytest.raises(BusError, match=r"/nonexistent/bus\.sock.*rlhb up"):
        await bus.read("r", 0, 10)
