"""docker-compose.yml and Dockerfile: valid, closed to other machines, and in step with the code."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from perdure.server_process import DYNAMIC_CONFIG

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SCHEMA = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
"""The official schema of the compose specification, as the package check-jsonschema ships it."""


@pytest.fixture
def compose() -> dict[str, Any]:
    """The compose file as it is."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_the_compose_file_is_valid(compose: dict[str, Any]) -> None:
    """By the official schema."""
    jsonschema.validate(compose, SCHEMA)


def test_the_schema_would_find_a_mistake(compose: dict[str, Any]) -> None:
    """A misspelt key is refused, so the test above can fail."""
    compose["services"]["worker"]["enviroment"] = {}
    with pytest.raises(jsonschema.ValidationError, match="enviroment"):
        jsonschema.validate(compose, SCHEMA)


def test_every_published_port_is_bound_to_this_machine(compose: dict[str, Any]) -> None:
    """Neither Temporal nor its Web UI asks who is there."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:7233:7233", "127.0.0.1:8080:8080", "127.0.0.1:3000:3000"]


def test_dependencies_and_volumes_exist(compose: dict[str, Any]) -> None:
    """What the schema cannot see: names that lead somewhere."""
    services = compose["services"].values()
    assert {name for service in services for name in service.get("depends_on", {})} <= compose["services"].keys()
    sources = [volume.split(":")[0] for service in services for volume in service.get("volumes", [])]
    files_ = [source for source in sources if source.startswith("./")]
    assert set(sources) - set(files_) == compose["volumes"].keys()
    assert [source for source in files_ if not (ROOT / source).is_file()] == []


def test_the_server_reads_the_mounted_dynamic_config(compose: dict[str, Any]) -> None:
    """Its path is relative to the working directory of the image, /etc/temporal."""
    server = compose["services"]["temporal"]
    path = "/etc/temporal/" + server["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    assert server["volumes"] == [f"./deploy/dynamicconfig.yaml:{path}:ro"]


def test_dynamic_config_is_that_of_the_embedded_server() -> None:
    """One source of truth: what perdure/server_process.py passes."""
    config = yaml.safe_load((ROOT / "deploy/dynamicconfig.yaml").read_text())
    assert config == {name: [{"value": value}] for name, value in DYNAMIC_CONFIG.items()}


def test_the_worker_finds_its_server_and_may_write_where_it_must(compose: dict[str, Any]) -> None:
    """Address and folders are set over whatever `.env` says, and the folders are volumes."""
    worker = compose["services"]["worker"]
    assert worker["environment"]["TEMPORAL_ADDRESS"] == "temporal:7233"
    folders = {worker["environment"]["PERDURE_HOME"], worker["environment"]["PERDURE_WORKSPACE"]}
    assert {volume.split(":")[1] for volume in worker["volumes"]} == folders
    assert all(f" {folder.removeprefix('/app/')}" in owned() for folder in folders)


def test_prometheus_scrapes_the_port_that_the_worker_serves_and_does_not_publish(compose: dict[str, Any]) -> None:
    """The job names the service and the port of its command, and the health check asks the same one."""
    worker = compose["services"]["worker"]
    port = worker["command"][worker["command"].index("--health-port") + 1]
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    assert job["dns_sd_configs"] == [{"names": ["worker"], "type": "A", "port": int(port)}]
    assert f":{port}/readyz" in worker["healthcheck"]["test"][-1]
    assert "ports" not in worker


def test_grafana_finds_its_source_and_its_dashboard(compose: dict[str, Any]) -> None:
    """The source leads to the service, and the dashboard lies where the provider looks."""
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in compose["services"]["grafana"]["volumes"])
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/datasource.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((ROOT / "deploy/grafana/dashboards.yml").read_text())["providers"]
    assert source["url"] == "http://prometheus:9090"
    assert Path(mounts["./deploy/grafana/perdure.json"]).parent == Path(provider["options"]["path"])


def owned() -> str:
    """The line of the Dockerfile that makes folders for the user of the worker."""
    return next(line for line in DOCKERFILE.splitlines() if line.startswith("RUN install --directory --owner perdure"))


def test_the_image_runs_a_command_that_it_contains_as_a_plain_user() -> None:
    """The command's file and everything else that is copied exist here and pass .dockerignore."""
    program, script = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[-1])
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    assert (program, script) == ("python", "worker.py")
    assert script in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert [name for name in copied if f"!{name}" not in ignored] == []
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["perdure"]


def test_the_image_has_every_package_of_ours_that_the_worker_imports() -> None:
    """A new top-level package must be copied too."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert {name for name in packages if f"COPY {name} {name}\n" not in DOCKERFILE} == set()
