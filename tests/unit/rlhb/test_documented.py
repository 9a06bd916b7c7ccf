"""What the documents must not forget: every command and every setting is named."""

from pathlib import Path

import pytest

from messaging.settings import Settings
from rlhb.commands import MODULES

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "command_line.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_every_command_is_documented(name):
    assert f"`rlhb {name}" in TEXT


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name):
    assert f"`RLHB_{name.upper()}`" in TEXT
