"""Hand-made decoders, and logs of given samples and events cut into chunks at given places."""

from itertools import pairwise

import numpy as np

from decoders.fitted import Calibration, FittedDecoder, GateLine
from decoders.scorers import LinearScorer
from decoders.spec import ArtifactRules, DecoderSpec, Preprocessing, WindowSpec
from hardware_profiles import HardwareProfile
from messaging.records import Chunk, DecoderRef, End, Event, Header, Onset, UnitShown
from messaging.rewards import DecoderStatement
from messaging.words import ClockKind, EventType, OnsetSource, Signal, Source

NAMES = ("Fz", "Cz", "Pz", "Oz")
RATE_HZ = 250.0


def fitted(
    name="hand",
    *,
    version=1,
    names=NAMES[:3],
    seed=0,
    highpass_hz=0.5,
    task="token_rsvp",
    rate_hz=RATE_HZ,
    released=True,
    trained_on=("x",),
    subjects=(),
    **rules,
):
    """A decoder with random weights on the given channels."""
    spec = DecoderSpec(
        "lda",
        Signal.ERROR,
        task,
        None,
        Preprocessing(rate_hz, tuple(names), highpass_hz, 20.0, settle_s=0.4),
        WindowSpec((100.0, 200.0, 300.0, 500.0, 700.0), (-100.0, 0.0)),
        ArtifactRules(**rules),
    )
    random = np.random.default_rng(seed)
    bootstrap = np.column_stack([random.normal(1, 0.2, 50), random.normal(-1.4, 0.2, 50), random.uniform(0.15, 0.25, 50)])
    return FittedDecoder(
        spec,
        LinearScorer(random.normal(size=4 * len(names)) * 0.1, 0.1),
        Calibration(1.0, -1.4, 0.2, bootstrap, 0.3, 0.3),
        (GateLine("information_gain", "passed" if released else "failed", 0.1, 0.0, "the lower bound is -0.1 bits, the limit 0"),),
        released,
        DecoderStatement(
            name=name,
            version=version,
            sha256=f"{name}{version}{seed}",
            task=task,
            soa_ms=None,
            subjects=subjects,
            calibration_id="c",
            auc=0.7,
            auc_ci95=(0.6, 0.8),
            trained_on=tuple(trained_on),
        ),
    )


def loader(*decoders):
    """A registry of these decoders."""
    from decoders.spec import RegistryError

    shelf = {(d.statement.name, d.statement.version): d for d in decoders}

    def load(ref):
        if (ref.name, ref.version) not in shelf:
            raise RegistryError(f"There is no decoder {ref.name}@{ref.version}.")
        return shelf[ref.name, ref.version]

    return load


def header(*, names=NAMES, rate_hz=RATE_HZ, **fields):
    """The first record of a log."""
    channels = [{"name": name} for name in names]
    profile = HardwareProfile(name="test", title="Test", driver={"kind": "replay"}, sampling_rate_hz=rate_hz, channels=channels, reference="A1")
    plan = {
        "recording_id": "rec",
        "session_id": "ses",
        "subject": "sub",
        "protocol": "p",
        "task": "token_rsvp",
        "prior": 0.2,
        "start_lsl_s": 10.0,
        "created_at": "2024-01-01T00:00:00Z",
        "source": Source.REPLAY,
        "clock": ClockKind.VIRTUAL,
        "profile": profile,
    }
    return Header(**{**plan, **fields})


def unit(onset, index=0, *, presentation="pres", sd_ms=1.0, placed=True):
    """Fields of a unit's event."""
    return {
        "type": EventType.UNIT,
        "onset_sample_index": onset if placed else None,
        "onset": Onset(onset_lsl_s=10.0 + onset / RATE_HZ, onset_sd_ms=sd_ms, onset_source=OnsetSource.FRAME),
        "presentation": presentation,
        "unit": UnitShown(index=index, text=f"w{index}"),
    }


def use(name="hand", version=1):
    """Fields of a decoder's event."""
    return {"type": EventType.DECODER, "decoder": DecoderRef(name=name, version=version)}


def log(head, samples, placed_events, cuts=(), lost=(), end=True):
    """Records of a log.

    Parameters
    ----------
    head : Header
    samples : (n_samples, n_channels) float32
    placed_events : list of (position, fields)
        An event comes after the chunk that reaches its position; a decoder's event exactly there.
    cuts : iterable of int
        Further sample indices at which a chunk ends.
    lost : iterable of (start, stop)
        Samples that never came.
    """
    records, n = [head], len(samples)
    queue = sorted(placed_events, key=lambda placed: placed[0])
    exact = {position for position, fields in queue if fields["type"] is EventType.DECODER}
    borders = sorted({0, n, *(c for c in (*cuts, *exact, *(i for span in lost for i in span)) if 0 < c < n)})

    def emit(until):
        while queue and queue[0][0] <= until:
            _, fields = queue.pop(0)
            ordinal = len(records) + 1
            records.append(Event(ordinal=ordinal, event_id=f"e{len(placed_events) - len(queue)}", session_id=head.session_id, **fields))

    for start, stop in pairwise(borders):
        emit(start)
        if not any(first <= start < last for first, last in lost):
            records.append(Chunk(len(records) + 1, start, head.start_lsl_s + start / head.profile.sampling_rate_hz, samples[start:stop]))
    emit(10**12)
    if end:
        records.append(End(ordinal=len(records) + 1, end_index=n, reason="test"))
    return records


def rewards_of(online, records):
    """All rewards of these records."""
    return [reward for record in records for reward in online.receive(record)]


def without_ordinals(rewards):
    """Rewards as JSON values; the ordinal of a record depends on how many chunks came before."""
    return [reward.model_copy(update={"ordinal": 0}).model_dump_json() for reward in rewards]
