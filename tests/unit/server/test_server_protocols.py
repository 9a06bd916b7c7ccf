"""Protocols as TOML: the shipped ones, a lab's own, and files that are none."""

import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rlhb import commands
from server.errors import Conflict, NotFound
from server.items import shipped_item_sets
from server.sessions.protocols import Damaged, Protocol, all_protocols, calibration_for, protocol, read_protocol, shipped_protocols

RIGHT = 'name = "slow"\ntask = "slow_rsvp"\ntitle = "Slow"\nitem_set = "first"\nsoa_ms = 700\n'


def put(folder: Path, text: str | bytes, name: str = "slow") -> Path:
    path = folder / f"{name}.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_shipped_protocol_shows_shipped_items_and_bears_its_files_name() -> None:
    found = shipped_protocols()
    assert next(iter(found)) == "token_rsvp"  # what a new session begins with
    for name, shipped in found.items():
        assert shipped.item_set in shipped_item_sets()
        assert protocol(name, Path("nowhere")) == shipped
        if name != "ratings_only":  # nothing is decoded of it
            assert calibration_for(shipped.task).calibrates


def test_a_labs_protocol_is_found_and_takes_the_defaults(tmp_path: Path) -> None:
    put(tmp_path, RIGHT)
    found = protocol("slow", tmp_path)
    assert (found.soa_ms, found.jitter_ms, found.calibrates) == (700, 50, False)
    assert list(all_protocols(tmp_path))[-1] == "slow"
    with pytest.raises(NotFound, match="slow_rsvp"):
        calibration_for("slow_rsvp", tmp_path)
    put(tmp_path, RIGHT.replace('"slow"', '"slow_calibration"') + "calibrates = true\n", "slow_calibration")
    assert calibration_for("slow_rsvp", tmp_path).name == "slow_calibration"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RIGHT.replace("soa_ms", "soa"), "soa: Extra inputs"),
        (RIGHT.replace("700", "20"), "soa_ms: Input should be greater than or equal to 50"),
        (RIGHT.replace("700", "nan"), "soa_ms: Input should be"),
        (RIGHT + "jitter_ms = 400\n", "more than half of soa_ms"),
        (RIGHT.replace('title = "Slow"\n', ""), "title: Field required"),
        (RIGHT.replace('"slow"', '"other"'), "calls itself 'other'"),
        ("name = ", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        ("#" * 70_000, "at most 64000"),
    ],
)
def test_a_file_that_is_no_protocol_is_named_with_its_reason_and_hides_nothing(tmp_path: Path, text: str | bytes, expected: str) -> None:
    put(tmp_path, text)
    known = all_protocols(tmp_path)
    damaged = known["slow"]
    assert isinstance(damaged, Damaged)
    assert expected in damaged.reason
    assert sum(isinstance(p, Protocol) for p in known.values()) == len(shipped_protocols())
    with pytest.raises(Conflict, match=r"cannot be used. slow\.toml"):
        protocol("slow", tmp_path)


def test_a_labs_file_does_not_take_a_shipped_protocols_place(tmp_path: Path) -> None:
    path = put(tmp_path, RIGHT.replace('"slow"', '"token_rsvp"'), "token_rsvp")
    assert isinstance(read_protocol(path), Damaged)
    assert protocol("token_rsvp", tmp_path) == shipped_protocols()["token_rsvp"]


def test_the_command_prints_what_can_be_read_again_and_says_what_is_wrong(tmp_path: Path) -> None:
    app = typer.Typer()
    commands.register(app, ["protocols"])
    shown = CliRunner().invoke(app, ["protocols", "show", "token_rsvp"]).output
    assert Protocol.model_validate(tomllib.loads(shown)) == shipped_protocols()["token_rsvp"]
    path = put(tmp_path, shown.replace("token_rsvp", "mine", 1), "mine")
    assert "mine: Words of a response" in CliRunner().invoke(app, ["protocols", "check", str(path)]).output
    wrong = CliRunner().invoke(app, ["protocols", "check", str(put(tmp_path, "soa = 1"))])
    assert wrong.exit_code == 1
    assert "soa: Extra inputs" in str(wrong.exception)
