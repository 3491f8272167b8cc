"""The format `journey`: `id`, `type`, `journey`, `userId`, `timestamp`, `version`, `payload`, `metadata`."""

from pipeline.formats.canonical import Attributes, Names
from pipeline.formats.dialect import event_type, object_or_none, renamed, uri_reference

NAMES: Names = {
    "id": "id",
    "source": "journey",
    "type": "type",
    "subject": "userId",
    "time": "timestamp",
    "dataversion": "version",
    "data": "payload",
}
DATA = "payload"


def attributes(document: Attributes, tenant: str | None) -> Attributes:
    """Return the event's attributes. The journey is the source, and `data.journey` for rules and boards.

    `metadata` becomes `data.metadata`. A payload that has members of these names keeps its own.

    Raises:
        PoisonEvent: payload or metadata are no objects.
    """
    result = renamed(document, NAMES, tenant)
    result["type"] = event_type(document.get("type"))
    result["source"] = uri_reference(document.get("journey"))
    data = dict(object_or_none(document, DATA) or {})
    data.setdefault("journey", document.get("journey"))
    if (metadata := object_or_none(document, "metadata")) is not None:
        data.setdefault("metadata", metadata)
    result["data"] = data
    return result
