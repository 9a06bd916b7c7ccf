"""The compose file names only what there is: settings, commands, services; pinned, healthy, without root."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from messaging.settings import Settings
from rlhb.commands import MODULES

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = [name for name, service in SERVICES.items() if "build" in service]


def test_the_topology_is_two_servers_a_database_a_proxy_and_a_lab_with_its_own_bus():
    assert set(SERVICES) == {"proxy", "server-1", "server-2", "postgres", "bus", "daemon", "worker"}
    assert SERVICES["bus"]["networks"] == ["lab"]
    assert COMPOSE["networks"]["lab"]["internal"] is True
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["proxy"]["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_only_for_services_that_tell_their_health_and_uses_what_is_declared(name):
    service = SERVICES[name]
    for other, condition in service.get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert "test" in SERVICES[other].get("healthcheck", {}) or other in ("server-1", "server-2")  # theirs is the image's own
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    named = [volume.split(":")[0] for volume in service.get("volumes", [])]
    assert all((ROOT / volume).exists() if volume.startswith(".") else volume in COMPOSE["volumes"] for volume in named)
    assert re.fullmatch(r"[a-z/]+:[a-z0-9.\-]+", service["image"])
    assert not service["image"].endswith(":latest")


@pytest.mark.parametrize("name", OWN)
def test_our_own_processes_are_given_commands_and_settings_that_exist(name):
    service = SERVICES[name]
    assert service["command"][0] in MODULES
    known = {f"RLHB_{field.upper()}" for field in Settings.model_fields}
    assert set(service["environment"]) <= known
    assert not any(value and "PASSWORD:-" in value for value in service["environment"].values())  # no secret has a default


def test_the_image_runs_without_rights_and_tells_its_health():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    last = lines[[k for k, line in enumerate(lines) if line.startswith("FROM ")][-1] :]
    assert "USER rlhb" in last
    assert any(line.startswith("HEALTHCHECK") for line in last)
    assert all(re.search(r":[0-9]", line.split()[1]) for line in lines if line.startswith("FROM "))


def test_the_proxy_sends_to_servers_that_there_are():
    upstreams = re.findall(r"([a-z0-9-]+):8765", (ROOT / "deployment" / "Caddyfile").read_text(encoding="utf-8"))
    assert set(upstreams) == {"server-1", "server-2"}
