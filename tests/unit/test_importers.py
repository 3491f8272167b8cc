"""Readers of files: what becomes an event, which id it gets, and what is said of the rest."""

import json
import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.errors import Reason, UserError
from pipeline.formats.registry import APP, CLOUDEVENTS, SourceFormat
from pipeline.importers.csv_rows import CsvRows, Layout
from pipeline.importers.jsonl import JsonLines, count_lines
from pipeline.importers.model import VALUE_BYTES_MAX, Refusal, Unread
from tests.builders import INSTANT, cloudevent
from tests.cdnow import CUSTOMERS, MAPPING, PURCHASES, purchases, write_csv

NOW_MS = int(INSTANT.timestamp()) * 1_000
SALES = ("actor=who", "type==shop.visited")


class Reading:
    """What a reader made of a text."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.events: list[dict[str, Any]] = []
        self.unread: list[Unread] = []

    @property
    def reasons(self) -> list[tuple[str, Reason]]:
        """Where and why something was refused."""
        return [(refusal.place, refusal.reason) for refusal in self.refusals]


def read_jsonl(
    path: Path, text: str | bytes, source_format: SourceFormat = CLOUDEVENTS, tenant: str | None = None
) -> Reading:
    """Read lines."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    reading = Reading()
    for event in JsonLines(path, source_format, tenant, NOW_MS).events(reading.refusals.append):
        if isinstance(event, Unread):
            reading.unread.append(event)
        else:
            reading.events.append(event)
    return reading


def read_csv(path: Path, text: str | bytes, *mapping: str, layout: Layout | None = None) -> Reading:
    """Read rows."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    reading = Reading()
    reading.events.extend(
        CsvRows(path, mapping or SALES, "acme", NOW_MS, layout or Layout()).events(reading.refusals.append)
    )
    return reading


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file's path."""
    return tmp_path / "history.txt"


def test_a_bad_line_is_named_and_handed_on_unchanged(file: Path) -> None:
    """The rest of the file is read; blank lines are nothing."""
    good = json.dumps(cloudevent())

    reading = read_jsonl(file, f"{good}\n\n{{'id': 1}}\r\n{good}", tenant="acme")

    assert [event["id"] for event in reading.events] == ["event-1", "event-1"]
    assert reading.reasons == [("line 3", Reason.NOT_JSON)]
    assert reading.unread == [
        Unread(b"{'id': 1}", (("plaudit-format", b"cloudevents"), ("plaudit-tenant", b"acme"))),
    ]


def test_a_line_that_no_record_can_hold_is_only_named(file: Path) -> None:
    """It is passed over without being held in memory as a whole."""
    reading = read_jsonl(file, b"x" * (3 * VALUE_BYTES_MAX) + b"\n" + json.dumps(cloudevent()).encode())

    assert reading.reasons == [("line 1", Reason.TOO_LARGE)]
    assert reading.unread == []
    assert len(reading.events) == 1


def test_equal_lines_without_ids_are_different_events(file: Path) -> None:
    """Two equal lines happened twice; the same file read again has the same ids."""
    line = json.dumps(cloudevent(id=None)) + "\n"

    first = [event["id"] for event in read_jsonl(file, line * 3).events]
    again = [event["id"] for event in read_jsonl(file, line * 3).events]

    assert len(set(first)) == 3
    assert again == first


def test_a_line_may_be_a_batch(file: Path) -> None:
    """Each of its events stands for itself."""
    reading = read_jsonl(file, json.dumps([cloudevent(id="1"), 7, cloudevent(id="2")]))

    assert [event["id"] for event in reading.events] == ["1", "2"]
    assert [unread.value for unread in reading.unread] == [b"7"]


def test_a_named_tenant_gets_all_events(file: Path) -> None:
    """Whatever the lines say; so a history can be brought into another tenant."""
    reading = read_jsonl(file, json.dumps(cloudevent()) + "\n" + json.dumps(cloudevent(tenant=None)), tenant="other")

    assert [event["tenant"] for event in reading.events] == ["other", "other"]


def test_lines_may_be_of_any_source_format(file: Path) -> None:
    """What is yielded is a CloudEvent."""
    line = json.dumps({"appId": "shop", "userId": "ada", "eventType": "task_completed", "idempotencyKey": "key-0001"})

    (event,) = read_jsonl(file, line, APP).events

    assert (event["specversion"], event["source"], event["subject"], event["id"]) == (
        "1.0",
        "app:shop",
        "ada",
        "key-0001",
    )


def test_columns_become_attributes_and_data(file: Path) -> None:
    """Each conversion once; an empty cell has no value; names in a path make an object in an object."""
    text = "who,when,n,price,paid,note,city\nada,20261115 23:30,7,11.77,yes,a:b,\n"
    mapping = (
        "actor=who",
        "time=when:%Y%m%d %H:%M",
        "type==purchase.completed",
        "data.n=n:int",
        "data.price=price:number",
        "data.cents=price:cents",
        "data.paid=paid:bool",
        "data.note=note",
        "data.address.city=city",
        "data.address.zip==10115",
    )

    reading = read_csv(file, text, *mapping, layout=Layout(zone=ZoneInfo("Europe/Berlin")))

    (event,) = reading.events
    assert event["id"].startswith("content-")
    assert {name: event[name] for name in ("source", "subject", "type", "time", "tenant")} == {
        "source": "csv:history.txt",
        "subject": "ada",
        "type": "purchase.completed",
        "time": "2026-11-15T22:30:00Z",
        "tenant": "acme",
    }
    assert event["data"] == {
        "n": 7,
        "price": 11.77,
        "cents": 1177,
        "paid": True,
        "note": "a:b",
        "address": {"zip": "10115"},
    }


@pytest.mark.parametrize(
    ("form", "cell", "time"),
    [
        ("", "2026-11-15T23:30:00+01:00", "2026-11-15T23:30:00+01:00"),
        (":unix", "0", "1970-01-01T00:00:00Z"),
        (":unix_ms", "1500", "1970-01-01T00:00:01.500000Z"),
        (":%d.%m.%Y %z", "15.11.2026 +0100", "2026-11-14T23:00:00Z"),
    ],
)
def test_times_have_many_forms(file: Path, form: str, cell: str, time: str) -> None:
    """RFC 3339 unless something else is said."""
    assert read_csv(file, f"who,t\nada,{cell}\n", *SALES, f"time=t{form}").events[0]["time"] == time


@pytest.mark.parametrize(
    ("cell", "cents"),
    [("0", 0), ("12", 1200), ("11.7", 1170), ("0.07", 7), ("-3.50", -350), ("92233720368547758.07", 2**63 - 1)],
)
def test_cents_are_exact(file: Path, cell: str, cents: int) -> None:
    """No amount passes through a float."""
    assert read_csv(file, f"who,p\nada,{cell}\n", *SALES, "data.p=p:cents").events[0]["data"]["p"] == cents


@pytest.mark.parametrize(
    ("row", "mapping", "reason"),
    [
        ("ada", "data.x=b", Reason.INVALID_VALUE),
        (",1", "data.x=b", Reason.MISSING_FIELD),
        ("ada,1.5", "data.x=b:int", Reason.INVALID_VALUE),
        ("ada,1.005", "data.x=b:cents", Reason.INVALID_VALUE),
        ("ada,1e3", "data.x=b:number", Reason.INVALID_VALUE),
        ("ada,perhaps", "data.x=b:bool", Reason.INVALID_VALUE),
        ("ada,", "time=b", Reason.MISSING_FIELD),
        ("ada,yesterday", "time=b", Reason.INVALID_TIME),
        ("ada,20261301", "time=b:%Y%m%d", Reason.INVALID_TIME),
        ("ada," + "9" * 30, "time=b:unix", Reason.INVALID_TIME),
        ("ada,4102444800", "time=b:unix", Reason.FUTURE_TIME),
        ("ada,x\0", "data.x=b", Reason.NULL_CHARACTER),
        ("ada,\udcff", "data.x=b", Reason.NOT_UTF8),
        ('ada,"x"y', "data.x=b", Reason.INVALID_VALUE),
        ("ada,1", "data.x.y=b", Reason.INVALID_VALUE),
    ],
)
def test_a_bad_row_is_named_and_the_rest_is_read(file: Path, row: str, mapping: str, reason: Reason) -> None:
    """With the number of its line."""
    text = f"who,b\n{row}\nada,\n".encode(errors="surrogateescape")

    reading = read_csv(file, text, *SALES, mapping, *(["data.x==1"] if mapping.startswith("data.x.y") else []))

    assert reading.reasons[0] == ("line 2", reason)
    assert len(reading.refusals) + len(reading.events) == 2


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        (["actor"], "write target=column"),
        (["actor=who", "kind=who"], "'kind' is not one of actor"),
        (["actor=who", "data.=who"], "is not one of"),
        (["actor=who", "actor==ada"], "mapped twice"),
        (["actor=nobody"], "no column 'nobody'; there are who, b"),
        (["actor=who:int"], "is not converted"),
        (["actor=who", "data.x=b:float"], "no conversion 'float'"),
        (["actor=who", "time=b:iso"], "no form of a time"),
        (["actor=who"], "--map type"),
        (["type==x"], "--map actor"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(file: Path, mapping: list[str], complaint: str) -> None:
    """Before anything is imported, with what there is to choose from."""
    with pytest.raises(UserError, match=complaint):
        read_csv(file, "who,b\nada,1\n", *mapping)


def test_an_empty_file_is_refused(file: Path) -> None:
    """There is nothing to map."""
    with pytest.raises(UserError, match="empty"):
        read_csv(file, "")


def test_a_file_without_a_header_has_numbered_columns(file: Path) -> None:
    """Its first row is an event too."""
    layout = Layout(delimiter=";", header=False)

    reading = read_csv(file, "ada;1\neve;2\n", "actor=1", "type==x", "data.n=2:int", layout=layout)

    assert [(event["subject"], event["data"]["n"]) for event in reading.events] == [("ada", 1), ("eve", 2)]


def test_a_column_may_have_colons_in_its_name(file: Path) -> None:
    """The longest name that fits is meant."""
    (event,) = read_csv(file, "who,a,a:b\nada,1,2\n", *SALES, "data.x=a:b:int").events

    assert event["data"] == {"x": 2}


def test_a_spreadsheets_file_is_read(file: Path) -> None:
    """A byte order mark, Windows' line ends, cells over several lines, blank lines."""
    reading = read_csv(file, b'\xef\xbb\xbfwho,note\r\nada,"two\r\nlines"\r\n\r\neve,\r\n', *SALES, "data.note=note")

    assert [event["subject"] for event in reading.events] == ["ada", "eve"]
    assert reading.events[0]["data"] == {"note": "two\r\nlines"}


def test_lines_are_counted(file: Path) -> None:
    """For the progress bar."""
    file.write_bytes(b"a\nb\n" * 1_000)

    assert count_lines(file) == 2_000


def test_a_pipe_is_not_counted(file: Path) -> None:
    """It can be read only once: the events would be gone."""
    os.mkfifo(file)

    assert count_lines(file) is None


def test_the_purchases_are_read_exactly(file: Path) -> None:
    """Every purchase is an event of its own, in the order of the file, and its cents are those of the file."""
    write_csv(file)

    refusals: list[Refusal] = []
    events = list(CsvRows(file, MAPPING, "shop", NOW_MS, Layout()).events(refusals.append))

    facts = list(purchases())
    assert refusals == []
    assert len(facts) == PURCHASES
    assert len({event["id"] for event in events}) == PURCHASES
    assert len({event["subject"] for event in events}) == CUSTOMERS
    assert [(e["subject"], e["data"]["amount_cents"], e["data"]["discs"]) for e in events] == [
        (fact.customer, fact.amount_cents, fact.discs) for fact in facts
    ]
    assert events[1]["time"] == "1997-01-12T00:00:00Z"
