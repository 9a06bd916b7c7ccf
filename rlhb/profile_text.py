"""A profile as text: the table of its page in the docs, and a TOML file of its own."""

import json
import re
from typing import Any

from hardware_profiles import HardwareProfile
from hardware_profiles.profile import Channel

IMPEDANCE = {"openbci": "measured by the board (lead-off current of 6 nA at 31.25 Hz)", None: "not measured by the board"}


def profile_table(profile: HardwareProfile) -> str:
    """Facts of a profile as a Markdown table, one line each."""
    driver = profile.driver
    source = {"brainflow": f"BrainFlow, board {driver.board_id}", "lsl": "LSL stream"}.get(driver.kind, driver.kind.replace("_", " "))
    if driver.kind == "lsl":
        source += "".join(f", {word} `{v}`" for word, v in (("name", driver.stream_name), ("type", driver.stream_type), ("source id", driver.source_id)) if v)
    elif driver.master_board_id is not None:
        source += f" (of board {driver.master_board_id})"
    rows = [
        ("profile", f"`{profile.name}`"),
        ("driver", source),
        ("rate", f"{profile.sampling_rate_hz:g} Hz" if profile.sampling_rate_hz else "as recorded"),
        ("EEG channels", _listed(profile, ("eeg",)) or "as recorded"),
        ("EOG, ECG, EMG channels", _listed(profile, ("eog", "ecg", "emg")) or "none"),
        ("trigger and photodiode channels", _listed(profile, ("trigger", "photodiode")) or "none"),
        ("auxiliary channels", _listed(profile, ("aux",)) or "none"),
        ("unit", "microvolt"),
        ("reference", profile.reference),
        ("ground", profile.ground),
        ("mains", f"{profile.mains_hz} Hz (a setting)"),
        ("packet numbers", f"0 to {driver.counter_modulus - 1}" if driver.counter_modulus else "none used: loss shows in time"),
        ("impedance", IMPEDANCE[driver.impedance]),
        ("rail", f"{profile.quality.railed_uv:,.0f} microvolt"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _listed(profile: HardwareProfile, kinds: tuple[str, ...]) -> str:
    return ", ".join(_channel(c) for c in profile.channels if c.kind in kinds)


def _channel(channel: Channel) -> str:
    return f"{channel.name} (`{channel.input}`)" if channel.input and channel.kind != "eeg" else channel.name


def profile_toml(profile: HardwareProfile) -> str:
    """Write a profile as a TOML file that reads back as the same profile."""
    fields = profile.model_dump(mode="json", exclude_none=True)
    kept = profile.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    lines = [f"{name} = {_value(fields[name])}" for name in kept | {"mains_hz": 50} if name not in ("channels", "driver", "quality", "onset_edges")]
    lines += ["channels = [", *(f"  {_value(c)}," for c in kept.get("channels", [])), "]"]
    driver = profile.driver.model_dump(mode="json", exclude_none=True, include=profile.driver.model_fields_set | {"kind"})
    for name, table in (("driver", driver), ("quality", kept.get("quality")), ("onset_edges", kept.get("onset_edges"))):
        if table:
            lines += ["", f"[{name}]", *(f"{k} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case dict():
            return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
        case _:
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def profile_name(stem: str) -> str:
    """Make a profile's name out of a file's."""
    return re.sub(r"[^a-z0-9_\-]", "_", stem.lower()).lstrip("_-")[:64] or "copy"
