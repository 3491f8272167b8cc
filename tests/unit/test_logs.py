"""Logs: one line each, in one form for us and for libraries, without secrets."""

import json
import logging
from collections.abc import Iterator

import pytest

from pipeline import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give pytest its own handlers back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return what was logged; each line must be a JSON object."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_message_stays_constant_beside_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Machines find a message by its text, and its particulars by name."""
    logs.configure("info", "json")

    logs.get_logger("pipeline.x").info("worker started", stage="match", partitions=8)

    (line,) = lines(capsys)
    assert (line["message"], line["stage"], line["partitions"]) == ("worker started", "match", 8)
    assert (line["level"], line["logger"]) == ("info", "pipeline.x")
    assert str(line["time"]).endswith("Z")


def test_a_library_is_heard_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard library records come out as JSON too; libraries speak from `warning` upwards."""
    logs.configure("info", "json")

    logging.getLogger("aiokafka.consumer").warning("Heartbeat failed for %s", "group-1")
    logging.getLogger("aiokafka.consumer").info("Joined")

    (line,) = lines(capsys)
    assert line["message"] == "Heartbeat failed for group-1"


def test_debug_hears_libraries_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library does inside is of interest when something is looked for."""
    logs.configure("debug", "json")

    logging.getLogger("faust.app").info("Starting")

    assert [line["message"] for line in lines(capsys)] == ["Starting"]


def test_the_level_is_the_least_that_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Below it there is silence."""
    logs.configure("warning", "json")

    logs.get_logger("pipeline.x").info("not shown")

    assert lines(capsys) == []


@pytest.mark.parametrize("name", ["password", "api_key", "apikey", "root_token", "Authorization", "webhook_secret"])
def test_a_secret_field_is_hidden(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever its value, and whatever else is in its name."""
    logs.configure("info", "json")

    logs.get_logger("pipeline.x").info("connected", **{name: "hunter2"})

    assert lines(capsys)[0][name] == logs.HIDDEN


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://plaudit:hunter2@db:5432/plaudit", "postgresql://plaudit:***@db:5432/plaudit"),
        ("two http://a:b@c and kafka://d:e@f", "two http://a:***@c and kafka://d:***@f"),
        ("an unescaped postgresql://u:p@ss@db/x", "an unescaped postgresql://u:***@db/x"),
        ("postgresql://plaudit@db:5432/plaudit", "postgresql://plaudit@db:5432/plaudit"),
        ("http://example.test:8080/a@b", "http://example.test:8080/a@b"),
    ],
)
def test_a_password_in_a_url_is_hidden(text: str, shown: str) -> None:
    """Only the password: host and user are what one looks for in a log."""
    assert logs.without_passwords(text) == shown


def test_a_traceback_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    """Exceptions are logged without local variables, and their texts are searched too."""
    logs.configure("info", "json")

    try:
        raise ValueError("no postgresql://u:hunter2@h/d")  # noqa: TRY301 - what is logged is a raised exception
    except ValueError:
        logs.get_logger("pipeline.x").exception("failed")

    (line,) = lines(capsys)
    assert "ValueError" in str(line["exception"])
    assert "hunter2" not in str(line)


def test_any_text_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A line break, a lone surrogate or a huge number in a field breaks neither the form nor the stream."""
    logs.configure("info", "json")

    logs.get_logger("pipeline.x").info("seen", text="a\nb\ud800", number=2**70, both=(1, "x"))

    (line,) = lines(capsys)
    assert line["number"] == 2**70


def test_a_second_configuration_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    """No message is logged twice, and a logger made before follows."""
    logger = logs.get_logger("pipeline.x")
    logs.configure("info", "json")
    logs.configure("info", "console")

    logger.info("once")

    assert capsys.readouterr().err.count("once") == 1
