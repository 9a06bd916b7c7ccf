"""A disk that is really full: nothing is corrupted, the reason is a sentence, and recording goes on when there is room again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def _may_mount() -> bool:
    """Whether this machine lets an ordinary user mount a small disk of his own; containers often do not."""
    try:
        return subprocess.run([*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


KINDS = ["limit", "disk"] if _may_mount() else ["limit"]
"""A limit of the file's size gives the same refusals wherever tests run: a part of the record written, then nothing more."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_corrupts_nothing_and_recording_goes_on_when_there_is_room(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-m", "tests.reference.filling_disk", str(tmp_path), kind]
    done = subprocess.run([*OWN_MOUNTS, *command] if kind == "disk" else command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    said = "No space left on device" if kind == "disk" else "File too large"
    assert said in seen.pop("sentence")
    assert seen.pop("records") > 40
    assert seen.pop("free_bytes") < 4096 or kind == "limit"
    assert seen.pop("created_on_the_full_disk", False) is False
    assert seen == {"refused_again": 5, "unchanged": True, "ends_with_a_whole_record": True, "went_on": True, "files": ["a.xdf"]}
