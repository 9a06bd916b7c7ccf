"""Choosing a decoder of the registry and checking that it fits, before anything is started."""

from decoders.fitted import FittedDecoder
from decoders.registry import Registry
from decoders.spec import MismatchError
from messaging.records import DecoderRef
from recordings.recording import Recording


def parse_reference(text: str) -> tuple[str, int | None]:
    """Read ``NAME`` or ``NAME@VERSION``.

    Raises
    ------
    MismatchError
        What follows the @ is no version.
    """
    name, at, version = text.partition("@")
    if not at:
        return name, None
    if not version.isdigit() or int(version) < 1:
        raise MismatchError(f"Decoder {text!r}: {version!r} is not a version. Give NAME or NAME@VERSION, e.g. {name}@1.")
    return name, int(version)


def check_fit(decoder: FittedDecoder, rate_hz: float, channel_names: tuple[str, ...], where: str) -> None:
    """Refuse a stream that the decoder was not made for.

    Raises
    ------
    MismatchError
        Another rate, or channels that the stream does not have.
    """
    needed = decoder.spec.preprocessing
    name = f"{decoder.statement.name}@{decoder.statement.version}"
    if abs(rate_hz - needed.sampling_rate_hz) > 1e-6 * needed.sampling_rate_hz:
        rates = f"Decoder {name} was fitted at {needed.sampling_rate_hz:g} Hz, {where} has {rate_hz:g} Hz."
        raise MismatchError(f"{rates} Fit a decoder on recordings of this rate.")
    missing = [c for c in needed.channel_names if c not in channel_names]
    if missing:
        there = ", ".join(channel_names)
        raise MismatchError(f"Decoder {name} needs channels {', '.join(missing)}, which {where} lacks (it has {there}). Fit a decoder on this montage.")


def resolve_decoder(registry: Registry, text: str, recording: Recording | None = None) -> DecoderRef:
    """Find a decoder, check its files, and check that it fits a recording.

    Raises
    ------
    RegistryError
        There is none of this name, or its files are damaged.
    MismatchError
        It does not fit.
    """
    name, version = parse_reference(text)
    decoder = registry.load(name, version)
    if recording is not None:
        check_fit(decoder, recording.sampling_rate_hz, recording.channel_names, f"recording {recording.path}")
    return DecoderRef(name=name, version=decoder.statement.version)
