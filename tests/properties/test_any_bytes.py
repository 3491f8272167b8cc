"""Whatever comes in: one visible end for each record, no exception, and a canonical form that is its own."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.dedupe import DedupeStage
from agents.normalize import NormalizeStage
from pipeline.errors import PoisonEvent, Reason
from pipeline.events import Event, actor_key, encode_json, header, identity
from pipeline.formats.canonical import canonical
from pipeline.formats.document import decode_object, is_batch
from pipeline.formats.registry import CLOUDEVENTS, FORMATS, read_event
from tests.builders import INSTANT, cloudevent, event
from tests.memory import MemoryRecord, MemoryTable, step

NOON_MS = int(INSTANT.timestamp()) * 1_000
EVENTS, DEAD_LETTERS = "t.events", "t.dead-letters"
MEMBERS = sorted(
    {"specversion", "tenant", "time", "data_base64", "datacontenttype", "traceparent", "dataversion", "event"}
    | {"metadata", "extension"}
    | {name for source_format in FORMATS.values() for name in (*source_format.names, *source_format.names.values())}
)

# Short alphabets, so that equal keys, escapes and colons meet often.
tricky = st.text(st.sampled_from('ab:"\\\0\u2028é😀{}[],'), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | tricky
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(tricky, v, max_size=3), max_leaves=8)
attributes = st.sampled_from(
    ["1.0", "acme", "pr.merged", "2026-11-16T12:00:00+01:00", "2026-11-16T12:00:00Z", "", "ada"]
)
documents = st.dictionaries(st.sampled_from(MEMBERS), attributes | values, max_size=8)
events = st.builds(
    lambda changes, data: cloudevent(**changes, data=data),
    st.dictionaries(
        st.sampled_from(["id", "subject", "time", "dataversion", "extension"]), attributes | tricky, max_size=3
    ),
    st.dictionaries(tricky, values, max_size=4),
)


@st.composite
def json_text(draw: st.DrawFn, value: Any) -> str:
    """Write a value as JSON: spaces, and characters as themselves or as escapes, however a producer may."""
    space = st.sampled_from(["", " ", "\n"])
    if isinstance(value, str):
        return '"' + "".join(draw(_character(character)) for character in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(draw(json_text(each)) for each in value) + "]"
    if isinstance(value, dict):
        pairs = (
            draw(json_text(key)) + draw(space) + ":" + draw(space) + draw(json_text(v)) for key, v in value.items()
        )
        return "{" + ",".join(pairs) + draw(space) + "}"
    return json.dumps(value)


def _character(character: str) -> st.SearchStrategy[str]:
    escaped = json.dumps(character)[1:-1]
    units = character.encode("utf-16-be")
    hexadecimal = "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
    return st.sampled_from([escaped, hexadecimal, hexadecimal.upper().replace("U", "u")])


@st.composite
def objects_with_repeats(draw: st.DrawFn) -> tuple[str, bool]:
    """Return an object's JSON, nested once, and whether a key stands in it twice."""
    pairs = draw(
        st.lists(st.tuples(tricky.filter(lambda key: "\0" not in key), st.integers() | st.just(":")), max_size=5)
    )
    inner = "{" + ",".join(f"{draw(json_text(key))}:{draw(json_text(value))}" for key, value in pairs) + "}"
    return draw(st.sampled_from(['{"x":%s}', '{"x":[1,%s]}', "%s"])) % inner, len({key for key, _ in pairs}) < len(
        pairs
    )


@given(
    value=st.none() | st.binary(max_size=60) | documents.map(lambda d: json.dumps(d).encode()),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["plaudit-format", "plaudit-tenant", "traceparent"]),
            st.sampled_from([name.encode() for name in FORMATS] + [b"acme", b"\xff"]),
        ),
        max_size=3,
    ),
    timestamp=st.sampled_from([NOON_MS, 0, -1, 2**63 - 1]),
)
def test_every_record_ends_as_an_event_or_a_dead_letter(
    value: bytes | None, headers: list[tuple[str, bytes]], timestamp: int
) -> None:
    """Exactly one of them, whatever its bytes, headers and time are; a batch has one end for each of its elements."""
    stage = NormalizeStage(
        events=EVENTS, dead_letters=DEAD_LETTERS, partitions=4, default_format="cloudevents", default_tenant=None
    )

    effects = step(stage, [MemoryRecord(value, timestamp=timestamp, headers=headers)], {})

    ends = [output for outputs in effects.outputs.values() for output in outputs]
    if value is None or not is_batch(value):
        assert len(ends) == 1
        if (DEAD_LETTERS, 0) in effects.outputs:
            assert ends[0].value == value
    assert len(ends) == sum(effects.counts.values()) > 0


@given(st.sampled_from(sorted(FORMATS)), documents)
def test_an_accepted_document_has_a_canonical_form_that_is_its_own(name: str, document: dict[str, Any]) -> None:
    """Normalize applied to its own output changes nothing, to the byte."""
    try:
        accepted, value = read_event(FORMATS[name], json.dumps(document).encode(), "acme", NOON_MS)
    except PoisonEvent:
        return

    assert read_event(CLOUDEVENTS, value, None, NOON_MS + 1) == (accepted, value)


@given(events.flatmap(lambda e: st.tuples(st.just(e), json_text(e))))
def test_nothing_is_lost_whatever_way_it_is_written(case: tuple[dict[str, Any], str]) -> None:
    """Escapes, spaces and odd keys: what a plain reader reads is what is kept, or a NUL is refused."""
    document, text = case

    outcome = attempt(text)

    assert outcome == (Reason.NULL_CHARACTER if any("\0" in text for text in strings(document)) else document)


@given(objects_with_repeats())
def test_a_key_that_stands_twice_never_passes(case: tuple[str, bool]) -> None:
    """And one that does not is never refused, however the key and its neighbours are written."""
    text, repeated = case

    assert (attempt(text) is Reason.DUPLICATE_KEY) is repeated


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_an_actor_may_have_any_name(actor: str) -> None:
    """256 characters of any script; only NUL is kept out."""
    accepted, value = read_event(CLOUDEVENTS, encode_json(cloudevent(subject=actor)), None, NOON_MS)

    assert accepted.subject == actor
    assert json.loads(value)["subject"] == actor


@given(st.dictionaries(st.sampled_from(MEMBERS), attributes | values, max_size=8))
def test_attributes_of_any_kind_are_accepted_or_refused(document: dict[str, Any]) -> None:
    """There is no third way out."""
    try:
        accepted, _ = canonical(cloudevent() | document, NOON_MS, None, {})
    except PoisonEvent:
        return

    assert isinstance(accepted, Event)


def attempt(text: str) -> object:
    """Return the object that a JSON text is, or the reason why it is refused."""
    try:
        return decode_object(text.encode())
    except PoisonEvent as error:
        return error.reason


def strings(value: object) -> list[str]:
    """Return all strings of a document, keys too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


@given(
    ids=st.lists(st.sampled_from("abc"), min_size=1, max_size=12),
    cut=st.integers(1, 12),
    back=st.integers(0, 12),
    state_lost=st.booleans(),
)
def test_each_identity_is_forwarded_at_its_first_sequence_only(
    ids: list[str], cut: int, back: int, state_lost: bool
) -> None:
    """However the stream is cut into runs, and from wherever it is delivered again after a crash."""
    stage = DedupeStage(unique=EVENTS, outcomes="t.outcomes", dead_letters=DEAD_LETTERS, retention_days=30)
    table = MemoryTable()
    records = [appended(seq, name) for seq, name in enumerate(ids)]
    # What was not written to the disk was not acknowledged either.
    resumed = 0 if state_lost else max(0, min(cut, len(ids)) - back)

    before = step(stage, records[:cut], {"seen": MemoryTable() if state_lost else table})
    after = step(stage, records[resumed:], {"seen": table})

    outputs = [output for effects in (before, after) for output in effects.outputs.get((EVENTS, 0), [])]
    assert {(header(o.headers, "plaudit-seq"), o.value) for o in outputs} == {
        (b"%d" % ids.index(name), records[ids.index(name)].value) for name in set(ids)
    }


def appended(seq: int, event_id: str) -> MemoryRecord:
    """Return an event as normalize appends it."""
    name = identity("acme", "tests/builders", event_id)
    key, headers = actor_key("acme", "ada"), (("plaudit-identity", name),)
    return MemoryRecord(encode_json(event(id=event_id)), offset=seq, timestamp=NOON_MS, key=key, headers=headers)
