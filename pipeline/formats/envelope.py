"""The format `envelope`: `event_id`, `source`, `timestamp`, `actor_id`, `payload`, `signature`.

The signature is between the producer and whoever gave it its key; it is not checked here and not carried on.
"""

from pipeline.formats.canonical import Attributes, Names
from pipeline.formats.dialect import event_type, object_or_none, renamed, uri_reference

NAMES: Names = {"id": "event_id", "source": "source", "subject": "actor_id", "time": "timestamp", "data": "payload"}
DATA = "payload"

# The dialect has no place for the type; its producers put it beside the payload or into it, under one of these names.
_TYPE_NAMES = ("event", "event_type", "type")


def attributes(document: Attributes, tenant: str | None) -> Attributes:
    """Return the event's attributes. A type such as `PR_MERGED` becomes `pr.merged`; the payload stays as it is.

    Raises:
        PoisonEvent: the payload is no object.
    """
    result = renamed(document, NAMES, tenant)
    payload = object_or_none(document, DATA) or {}
    types = (place[name] for place in (document, payload) for name in _TYPE_NAMES if place.get(name) is not None)
    result["type"] = event_type(next(types, None))
    result["source"] = uri_reference(document.get("source"))
    return result
