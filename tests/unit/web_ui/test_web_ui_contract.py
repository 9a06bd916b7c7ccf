"""What the page and the Python side agree on: the built folder, the message types, the preview's bytes."""

import base64
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

import web_ui
from messaging.records import Chunk, encode_record

ROOM = Path(web_ui.__file__).resolve().parent


def test_the_built_folder_is_found_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_ui, "_DIST", tmp_path / "dist")
    assert web_ui.static_dir() is None
    (tmp_path / "dist").mkdir()
    assert web_ui.static_dir() is None
    (tmp_path / "dist" / "index.html").write_text("<!doctype html>", encoding="utf-8")
    assert web_ui.static_dir() == tmp_path / "dist"


def test_the_schema_behind_the_typescript_types_is_that_of_the_messages() -> None:
    script = runpy.run_path(str(ROOM / "scripts" / "schema.py"))
    written = json.loads((ROOM / "schema" / "pages.json").read_text(encoding="utf-8"))
    assert written == script["pages_schema"](), "Run: python -m web_ui.scripts.schema && npm --prefix web_ui run types"


def test_every_message_of_the_pages_has_its_type_word() -> None:
    definitions = json.loads((ROOM / "schema" / "pages.json").read_text(encoding="utf-8"))["$defs"]
    for union in ("SubjectUp", "SubjectDown", "OperatorUp", "OperatorDown"):
        for member in definitions[union]["oneOf"]:
            message = definitions[member["$ref"].rpartition("/")[2]]
            assert "type" in message["required"]
            assert "const" in message["properties"]["type"]


def test_the_preview_bytes_that_the_page_is_tested_with_are_what_the_daemon_sends() -> None:
    fixture = json.loads((ROOM / "tests" / "chunk.fixture.json").read_text(encoding="utf-8"))
    samples = np.array(fixture["samples_uv"], dtype=np.float32)
    chunk = Chunk(ordinal=fixture["ordinal"], sample_index=fixture["sample_index"], time_lsl_s=fixture["time_lsl_s"], samples=samples)
    assert base64.b64decode(fixture["base64"]) == encode_record(chunk)


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((ROOM / "package-lock.json").read_text(encoding="utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert [name for name, package in lock["packages"].items() if name and "integrity" not in package and not package.get("link")] == []
