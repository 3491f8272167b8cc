"""Every source format by its name, and the one way to read a record of any of them."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import DATA_BYTES_MAX, DATA_DEPTH_MAX, Event
from pipeline.formats import app, cloudevents, envelope, journey
from pipeline.formats.canonical import Attributes, Names, canonical, is_tenant
from pipeline.formats.document import check_depth, check_size, decode_object, excerpt


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """A dialect: its own names of the attributes, the member that holds the data, and how to get the attributes."""

    name: str
    names: Names
    data: str
    attributes: Callable[[Attributes, str | None], Attributes]


CLOUDEVENTS = SourceFormat("cloudevents", cloudevents.NAMES, cloudevents.DATA, cloudevents.attributes)
ENVELOPE = SourceFormat("envelope", envelope.NAMES, envelope.DATA, envelope.attributes)
JOURNEY = SourceFormat("journey", journey.NAMES, journey.DATA, journey.attributes)
APP = SourceFormat("app", app.NAMES, app.DATA, app.attributes)

FORMATS = {source_format.name: source_format for source_format in (CLOUDEVENTS, ENVELOPE, JOURNEY, APP)}


class _Tenant(msgspec.Struct):
    tenant: str = ""
    appId: str = ""  # noqa: N815  # the dialect's spelling


_decode_tenant = msgspec.json.Decoder(_Tenant).decode


def format_named(name: str) -> SourceFormat:
    """Return the format of that name.

    Raises:
        PoisonEvent: there is none.
    """
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(FORMATS)
        raise PoisonEvent(Reason.UNKNOWN_FORMAT, f"{excerpt(name)} is no source format; known are {known}") from None


def read_attributes(source_format: SourceFormat, raw: bytes, tenant: str | None) -> Attributes:
    """Return the CloudEvents attributes of one event; its size, depth and JSON are checked, its attributes not yet.

    `tenant` is used by formats that have no place for one.

    Raises:
        PoisonEvent: it can't be read.
    """
    attributes = source_format.attributes(decode_object(raw), tenant)
    if len(raw) > DATA_BYTES_MAX:
        check_size(raw, source_format.data)
    # Without this many brackets nothing can be nested too deep.
    if raw.count(b"{") + raw.count(b"[") > DATA_DEPTH_MAX and isinstance(data := attributes.get("data"), dict):
        check_depth(data, source_format.data)
    return attributes


def read_event(
    source_format: SourceFormat, raw: bytes, tenant: str | None, appended_ms: int, traceparent: str | None = None
) -> tuple[Event, bytes]:
    """Return the canonical event that `raw` is in this format, and its JSON; a pure function of its arguments.

    Raises:
        PoisonEvent: it can't be accepted, ever.
    """
    return canonical(read_attributes(source_format, raw, tenant), appended_ms, traceparent, source_format.names)


def tenant_hint(source_format: SourceFormat, raw: bytes | None, tenant: str | None) -> str | None:
    """Return whose a refused record is as far as can be told, so that its tenant finds it among the dead letters."""
    if tenant is not None and source_format is not CLOUDEVENTS:
        return tenant if is_tenant(tenant) else None
    try:
        found = _decode_tenant(raw or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    name = found.appId if source_format is APP else found.tenant
    return name if is_tenant(name) else None
