"""The format `cloudevents`: CloudEvents 1.0 in structured JSON, the default."""

from pipeline.errors import PoisonEvent, Reason
from pipeline.formats.canonical import Attributes, Names
from pipeline.formats.document import check_depth, decode_base64, excerpt

NAMES: Names = {}
DATA = "data"


def attributes(document: Attributes, tenant: str | None) -> Attributes:  # noqa: ARG001  # an event names its own
    """Return the event's attributes. The tenant is the event's own: the record's is not asked.

    Data may come as `data_base64` too, as senders that see it as bytes write it. `datacontenttype` must name JSON; the
    plain one says no more than its absence does, and is left out.

    Raises:
        PoisonEvent: the data can't be JSON.
    """
    if "data_base64" in document:
        document = _with_decoded_data(document)
    if "datacontenttype" in document:
        document = _without_content_type(document)
    return document


def _with_decoded_data(document: Attributes) -> Attributes:
    rest = document.copy()
    encoded = rest.pop("data_base64")
    if encoded is None:
        return rest
    if rest.get("data") is not None:
        raise PoisonEvent(Reason.INVALID_VALUE, "data and data_base64: an event has one of them")
    rest["data"] = decode_base64(encoded)
    check_depth(rest["data"], "data_base64")
    return rest


def _without_content_type(document: Attributes) -> Attributes:
    content_type = document["datacontenttype"]
    if content_type is not None:
        if not isinstance(content_type, str):
            raise PoisonEvent(Reason.WRONG_TYPE, f"datacontenttype: a string is expected, not {excerpt(content_type)}")
        media_type = content_type.partition(";")[0].strip().lower()
        if not media_type.endswith(("/json", "+json")):
            raise PoisonEvent(Reason.INVALID_VALUE, f"datacontenttype: {excerpt(content_type)} is not JSON")
        if media_type != "application/json":
            return document
    return {name: value for name, value in document.items() if name != "datacontenttype"}
