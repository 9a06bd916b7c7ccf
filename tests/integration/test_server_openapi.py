"""The API against its own description: whatever is sent, no fault of the server, no answer that is not described, every refusal with a remedy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.reference.live_server import TOKEN, LiveServer

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 15
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
BY_DESIGN = {"/api/v1/readyz"}
"""Answers 503 while something is missing."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("openapi"))
    server.post("/sessions", {"subject": "S1", "n_trials": 2, "seed": 1})
    yield server
    server.stop()


def description(live: LiveServer) -> dict[str, Any]:
    return dict(live.http.get("/api/v1/openapi.json").json())


def answers_as_described(operation: Any, known: dict[str, str]) -> None:
    """Send an operation what its description allows; `known` are path parameters that exist."""
    checks = [c for c in CHECKS if operation.path not in BY_DESIGN or c is not not_a_server_error]

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def answer(case: Any) -> None:
        case.query = {k: v for k, v in (case.query or {}).items() if k != "wait"}  # waiting is tested elsewhere
        case.path_parameters = {k: known.get(k, v) for k, v in (case.path_parameters or {}).items()}
        case.call_and_validate(headers=HEADERS, timeout=60, checks=checks)

    answer()


def test_whatever_is_sent_the_answer_is_one_that_is_described(live: LiveServer) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{live.port}/api/v1/openapi.json")
    session_id = live.get("/sessions")["items"][0]["session_id"]
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 30
    wrong = {}
    for operation in operations:
        try:
            answers_as_described(operation, {})
            if "{session_id}" in operation.path:
                answers_as_described(operation, {"session_id": session_id})
        except BaseExceptionGroup as group:
            wrong[operation.label] = str(group.exceptions[0])
        except AssertionError as error:
            wrong[operation.label] = str(error)
    assert wrong == {}, "\n\n".join(f"{label}: {text}" for label, text in wrong.items())
    assert live.http.get("/healthz").status_code == 200


def test_every_route_describes_its_refusals_with_a_remedy(live: LiveServer) -> None:
    found = description(live)
    assert "remedy" in found["components"]["schemas"]["Problem"]["required"]
    assert "HTTPValidationError" not in str(found)
    for path, item in found["paths"].items():
        for method, operation in item.items():
            for status in ("400", "401", "403", "404", "409", "422"):
                assert "application/problem+json" in operation["responses"][status]["content"], (path, method, status)


def test_every_route_and_every_setting_is_in_the_documents(live: LiveServer) -> None:
    root = Path(__file__).parents[2]
    text = "\n".join(p.read_text(encoding="utf-8") for p in [*(root / "docs").glob("*.md"), root / "README.md"])
    short = [path.removeprefix("/api/v1") for path in description(live)["paths"]]
    missing = [path for path in short if path not in text and path.replace("{session_id}", "{id}") not in text]
    assert missing == []


def test_every_message_of_the_websockets_has_a_schema(live: LiveServer) -> None:
    names = live.get("/schemas")["items"]
    assert {"lab.up", "lab.down", "rewards.up", "rewards.down", "subject.up", "subject.down", "operator.up", "operator.down"} <= set(names)
    for name in names:
        assert live.get(f"/schemas/{name}")
