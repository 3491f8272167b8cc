"""How `plaudit dlq` shows what producers sent: whole, and harmless to a terminal and to scripts."""

import json

import pytest

from pipeline.commands.dlq import SHOWN_BYTES_MAX, printable, readable, summary, whole
from pipeline.letters import Letter


def letter(value: bytes | None = b"x", **headers: bytes) -> Letter:
    """Return a dead letter with details as given."""
    details = tuple((f"plaudit-{name}", detail) for name, detail in headers.items())
    return Letter(partition=3, offset=17, appended_ms=0, key=b"acme", value=value, headers=details)


@pytest.mark.parametrize("dangerous", ["\x1b[2J", "\r", "\x07", "\x00", "\u202e", "\u2028", "\x9b31m"])
def test_nothing_that_was_sent_reaches_the_terminal_as_a_command(dangerous: str) -> None:
    """Escape sequences, line breaks of all kinds and changes of direction are written out."""
    assert printable(f"a{dangerous}b").isprintable()


def test_text_is_shown_as_text() -> None:
    """Any script and several lines."""
    assert readable("Zusammenführer 🏆\n名".encode()) == "Zusammenführer 🏆\n名"


def test_bytes_are_shown_as_a_dump() -> None:
    """With offsets, and what is readable beside them."""
    assert readable(b"\xffabc\x00") == f"00000000  {'ff 61 62 63 00':<47}  .abc."


@pytest.mark.parametrize("character", ["x", "ä", "🏆"])
def test_long_text_is_cut_between_characters(character: str) -> None:
    """It says how much is missing, and is still shown as text."""
    value = b"." + character.encode() * SHOWN_BYTES_MAX

    shown, rest = readable(value).rsplit("\n", 1)

    assert shown.strip("." + character) == ""
    assert rest.endswith("bytes more")


def test_long_bytes_are_cut_too() -> None:
    """A megabyte of noise doesn't fill the screen."""
    assert len(readable(b"\xff" * 1_000_000)) < 10 * SHOWN_BYTES_MAX


def test_a_foreign_letter_without_details_is_shown_all_the_same() -> None:
    """Anyone may write to a topic."""
    assert summary(Letter(0, 1, 0, None, None, (("plaudit-offset", b"many"),))) == {
        "place": "0:1",
        "tenant": None,
        "reason": "",
        "message": "",
        "stage": "",
        "topic": "",
        "time": "",
        "partition": None,
        "offset": None,
        "attempts": None,
        "bytes": 0,
    }


def test_json_carries_any_bytes() -> None:
    """Text stays text, anything else is Base64."""
    shown = json.loads(json.dumps(whole(letter(b"\xff", reason=b"not_json", key=b"\xfe"))))

    assert shown["record"] == {"encoding": "base64", "value": "/w=="}
    assert shown["headers"] == [
        {"name": "plaudit-reason", "encoding": "utf-8", "value": "not_json"},
        {"name": "plaudit-key", "encoding": "base64", "value": "/g=="},
    ]
    assert (shown["place"], shown["tenant"], shown["reason"]) == ("3:17", "acme", "not_json")
