"""The compose file and the image, against the compose specification, the settings and the topology.

No container is started here; what can be wrong without starting one is looked for.
"""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import typer
import yaml
from compose_spec import PyCompose

from pipeline.__main__ import COMMANDS, load
from pipeline.settings import Settings
from pipeline.topology import STAGES
from pipeline.version import VERSION
from tests.architecture.repository import ROOT, text

PASSWORD = "a-password"
LIMITS = {"cpus", "memory", "pids"}
# A digest comes from the registry that a deployment pulls from: pinning by version is our part, by digest theirs.
NOT_OURS = {"CL-0019"}


def interpolated(source: str) -> str:
    """Replace `${NAME:-default}` by its default and `${NAME:?message}` by a password, as compose would."""
    return re.sub(r"\$\{\w+:([-?])([^}]*)\}", lambda found: found[2] if found[1] == "-" else PASSWORD, source)


COMPOSE: dict[str, Any] = yaml.safe_load(interpolated(text("docker-compose.yml")))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = {name: service for name, service in SERVICES.items() if service.get("command", [""])[0] == "worker"}
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def parse(line: list[str]) -> None:
    """Parse what follows `plaudit` to its last subcommand; raises typer's usage error."""
    [command] = [each for each in COMMANDS if each.word == line[0]]
    parser: Any = typer.main.get_command(load(command))
    rest = line[1:]
    while True:
        context = parser.make_context(command.word, list(rest))
        if not hasattr(parser, "resolve_command"):
            return
        _, parser, rest = parser.resolve_command(context, [*context._protected_args, *context.args])


def test_it_conforms_to_the_compose_specification() -> None:
    """Every key and value is one that compose knows."""
    parsed = PyCompose.from_json(json.dumps(COMPOSE))

    parsed.validate()

    assert parsed.service_names() == list(SERVICES)


def test_a_misspelt_key_would_be_noticed() -> None:
    """The check above is not one that accepts everything."""
    broken = {"services": {"one": {"image": "plaudit:1", "restrat": "always"}}}

    with pytest.raises(ValueError, match="restrat"):
        PyCompose.from_json(json.dumps(broken))


def test_containers_have_no_more_rights_than_they_need() -> None:
    """The security linter finds nothing of medium severity or above."""
    done = subprocess.run(
        [sys.executable, "-m", "compose_lint", "check", "--no-env", "--format", "json", "docker-compose.yml"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    findings = json.loads(done.stdout)["findings"]

    assert not [each for each in findings if each["severity"] != "low" and each["rule_id"] not in NOT_OURS]


def test_every_stage_has_its_worker() -> None:
    """One service per stage of the topology, named like it."""
    stages = {name: service["command"] for name, service in WORKERS.items()}

    assert stages == {stage.name: ["worker", "--stage", stage.name] for stage in STAGES}


@pytest.mark.parametrize("name", OURS)
def test_its_start_line_is_one_that_the_command_line_takes(name: str) -> None:
    """Command, subcommand, options and their values are parsed as `plaudit` parses them; nothing is run."""
    parse(SERVICES[name]["command"])


@pytest.mark.parametrize(
    "line", [["worker", "--satge", "match"], ["worker"], ["db", "upgrad"], ["topics", "create", "x"]]
)
def test_a_mistake_in_a_start_line_would_be_noticed(line: list[str]) -> None:
    """The check above is not one that accepts everything."""
    with pytest.raises(Exception, match=r"(?i)no such|missing|unexpected") as raised:
        parse(line)

    assert "UsageError" in {each.__name__ for each in type(raised.value).__mro__}


@pytest.mark.parametrize("name", OURS)
def test_its_environment_is_made_of_settings(name: str) -> None:
    """Every variable is a setting, and its value is one that the setting takes."""
    environment = SERVICES[name]["environment"]
    known = {f"PLAUDIT_{field.upper()}": field for field in Settings.model_fields}

    assert set(environment) <= set(known)
    assert Settings(**{known[variable]: value for variable, value in environment.items()})


@pytest.mark.parametrize("name", OURS)
def test_its_addresses_are_other_services(name: str) -> None:
    """Broker and database are the services of this file, on the ports they listen on."""
    environment = SERVICES[name]["environment"]

    assert environment["PLAUDIT_BROKER"] == "redpanda:9092"
    assert environment["PLAUDIT_DATABASE"] == f"postgresql://plaudit:{PASSWORD}@postgres:5432/plaudit"
    assert environment["PLAUDIT_WEB_MATCH"] == f"http://match:{environment['PLAUDIT_WEB_PORT']}"
    assert environment["PLAUDIT_WEB_LEADERBOARDS"] == f"http://leaderboards:{environment['PLAUDIT_WEB_PORT']}"
    assert "--advertise-kafka-addr=internal://redpanda:9092,host://127.0.0.1:19092" in SERVICES["redpanda"]["command"]
    assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] == "plaudit"
    assert SERVICES["postgres"]["environment"]["POSTGRES_DB"] == "plaudit"


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_waits_for_what_it_needs(name: str) -> None:
    """Topics exist before a worker starts; the ledger's tables before the ledger."""
    waits = {other: how["condition"] for other, how in SERVICES[name]["depends_on"].items()}
    needs = {"redpanda": "service_healthy", "topics": "service_completed_successfully"}
    if any(stage.name == name and stage.sink for stage in STAGES):
        needs["db"] = "service_completed_successfully"

    assert waits == needs


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_watched_on_its_own_port(name: str) -> None:
    """Health check, published port and setting name the same port, and the name it advertises is its own."""
    service = SERVICES[name]
    port = service["environment"]["PLAUDIT_WEB_PORT"]

    assert f":{port}/health" in service["healthcheck"]["test"][-1]
    assert service["ports"][0].rpartition(":")[2] == port
    assert service["environment"]["PLAUDIT_WEB_ADVERTISE"] == name


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_keeps_its_state_and_its_name(name: str) -> None:
    """Tables lie on a volume of the worker's own, and a restart finds its partitions by the worker's name."""
    service = SERVICES[name]
    volume, _, folder = service["volumes"][0].partition(":")

    assert folder == service["environment"]["PLAUDIT_DATA"]
    assert volume in COMPOSE["volumes"]
    assert [volume in str(other.get("volumes")) for other in SERVICES.values()].count(True) == 1
    assert [other["environment"]["PLAUDIT_WORKER"] for other in WORKERS.values()].count(f"{name}-1") == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits(name: str) -> None:
    """None can take the whole machine, fill its disk with logs, or be left lying after a crash."""
    service = SERVICES[name]

    assert set(service["deploy"]["resources"]["limits"]) == LIMITS
    assert service["logging"]["options"]["max-size"]
    assert service["restart"] in {"unless-stopped", "on-failure"}


@pytest.mark.parametrize("name", SERVICES)
def test_only_loopback_is_published(name: str) -> None:
    """Nothing is reachable from outside the machine unless ops decide so."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_version(name: str) -> None:
    """What runs tomorrow is what was tested today; ours is the release of this source."""
    image, _, tag = SERVICES[name]["image"].partition(":")

    assert tag not in {"", "latest"}
    assert image != "plaudit" or tag == VERSION


def test_no_password_is_written_down() -> None:
    """It comes from .env, without a default, and neither git nor the image build sees that file."""
    source = text("docker-compose.yml")

    assert re.findall(r"\$\{POSTGRES_PASSWORD(:.)", source) == [":?", ":?"]
    assert not re.search(r"PASSWORD: (?!\$)", source)
    assert ".env" in text(".gitignore").splitlines()
    assert text(".dockerignore").splitlines()[1] == "*"
    assert re.search(r"^POSTGRES_PASSWORD=$", text(".env.example"), re.MULTILINE)


def test_the_broker_keeps_what_it_acknowledges() -> None:
    """Not in a developer's mode, and topics come from the topology, not from a misspelt name."""
    command = SERVICES["redpanda"]["command"]
    properties = yaml.safe_load(text("deploy/redpanda/bootstrap.yaml"))

    assert not [argument for argument in command if "--mode" in argument or "fsync" in argument]
    assert "--set=redpanda.developer_mode=false" in command
    assert properties["auto_create_topics_enabled"] is False
    assert properties["write_caching_default"] == "disabled"


def test_the_image_runs_without_root_from_the_lock() -> None:
    """The last user is not root, and every package is installed by hash or from the source beside it."""
    instructions = [line for line in text("Dockerfile").replace("\\\n", " ").splitlines() if line and line[0] != "#"]
    installs = [part for line in instructions for part in line.split("&&") if "pip install" in part]

    assert [line for line in instructions if line.startswith("USER ")][-1] == "USER 10001:10001"
    assert all("--require-hashes" in part or "--no-deps" in part for part in installs)
    assert not [
        line for line in instructions if line.startswith("FROM") and not re.match(r"FROM python:3\.11\.\d+-slim", line)
    ]
