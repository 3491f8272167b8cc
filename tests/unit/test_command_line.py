"""The command line's root: quick, helpful, and without a traceback for a user's mistake."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import OperationalError

from pipeline import __main__ as root
from pipeline.commands.mistakes import explanation
from pipeline.commands.settings import rows
from pipeline.errors import InvariantBroken, TransientError, UserError
from pipeline.settings import Settings
from pipeline.version import VERSION

REPOSITORY = Path(__file__).parents[2]
# What `plaudit --help` must not wait for.
HEAVY = {"aiohttp", "aiokafka", "alembic", "faust", "psycopg", "rocksdict", "sqlalchemy", "pydantic_settings"}
USAGE = 2


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `plaudit` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "", "COLUMNS": "120", **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_lists_every_command() -> None:
    """`plaudit --help` names each command with its summary."""
    done = run("--help")

    assert done.returncode == 0
    assert not [each.word for each in root.COMMANDS if each.word not in done.stdout or each.summary not in done.stdout]


def test_help_loads_no_command() -> None:
    """It answers at once because nothing that only a command needs is imported."""
    program = "import sys, pipeline.__main__; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=60
    ).stdout.split()

    assert not HEAVY & set(loaded)
    assert not [name for name in loaded if name.startswith("pipeline.commands.")]


@pytest.mark.parametrize("command", root.COMMANDS, ids=lambda command: command.word)
def test_a_command_has_help_with_an_example(command: root.Command) -> None:
    """`plaudit COMMAND --help` works for each that is listed, and shows how it is used, there or in its subcommands."""
    done = run(command.word, "--help")

    assert done.returncode == 0, done.stderr
    assert f"plaudit {command.word}" in done.stdout


def test_the_version_is_the_releases() -> None:
    """`--version` prints the release and nothing else."""
    done = run("--version")

    assert done.stdout == f"plaudit {VERSION}\n"


def test_an_unknown_command_is_a_usage_error_with_a_suggestion() -> None:
    """Exit code 2, the message on standard error, nothing on standard output."""
    done = run("setings")

    assert done.returncode == USAGE
    assert "settings" in done.stderr
    assert done.stdout == ""


def test_an_unknown_option_of_a_command_is_a_usage_error() -> None:
    """The command parses its own options, with the same exit code."""
    done = run("settings", "--formt", "json")

    assert done.returncode == USAGE
    assert "--formt" in done.stderr


def test_a_bad_setting_is_one_line_without_a_traceback() -> None:
    """The message names the variable; exit code 1."""
    done = run("settings", PLAUDIT_PARTITIONS="many")

    assert done.returncode == 1
    assert done.stderr.startswith("plaudit: settings: PLAUDIT_PARTITIONS: ")
    assert len(done.stderr.splitlines()) == 1


def test_settings_are_listed_without_secrets() -> None:
    """Every setting with its value here, its default and its description; a password in a URL is hidden."""
    done = run("settings", "--format", "json", PLAUDIT_DATABASE="postgresql://u:hunter2@h/d", PLAUDIT_PARTITIONS="16")

    listed = {each["variable"]: each for each in json.loads(done.stdout)}

    assert set(listed) == {f"PLAUDIT_{name.upper()}" for name in Settings.model_fields}
    assert listed["PLAUDIT_PARTITIONS"]["value"] == "16"
    assert listed["PLAUDIT_PARTITIONS"]["default"] == "8"
    assert "hunter2" not in done.stdout
    assert all(each["description"] for each in listed.values())


def test_settings_can_be_read_back_by_a_shell() -> None:
    """The text form is a commented environment file."""
    done = run("settings")

    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]

    assert [line.partition("=")[0] for line in lines] == [row.variable for row in rows(Settings.model_construct())]


class _Document(BaseModel):
    amount: int


def _invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        _Document(amount="hunter2")
    return caught.value


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("there is no stage 'x'"), "there is no stage 'x'"),
        (TransientError("the database is away"), "the database is away"),
        (FileNotFoundError(2, "No such file or directory", "a.yaml"), "a.yaml: No such file or directory"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (psycopg.OperationalError("connection to\nserver failed"), "database: connection to server failed"),
        (
            OperationalError("select 1", None, psycopg.OperationalError("no postgresql://u:hunter2@h/d")),
            "database: no postgresql://u:***@h/d",
        ),
    ],
    ids=["user", "transient", "file", "refused", "psycopg", "sqlalchemy"],
)
def test_what_lies_outside_the_program_is_explained(error: Exception, message: str) -> None:
    """One line that says what is wrong, without secrets."""
    assert explanation(error) == message


def test_an_invalid_value_is_explained_without_repeating_it() -> None:
    """A value that does not validate may be a secret."""
    text = explanation(_invalid())

    assert text is not None
    assert text.startswith("amount: ")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "defect", [InvariantBroken(), KeyError("x"), AssertionError()], ids=lambda error: type(error).__name__
)
def test_a_defect_is_not_explained_away(defect: Exception) -> None:
    """What only our own mistake can cause keeps its traceback."""
    assert explanation(defect) is None
