"""The format `app`: `appId`, `userId`, `eventType`, `metadata`, `occurredAt`, `idempotencyKey`."""

from pipeline.formats.canonical import Attributes, Names
from pipeline.formats.dialect import event_type, renamed, uri_reference

NAMES: Names = {
    "id": "idempotencyKey",
    "source": "appId",
    "type": "eventType",
    "subject": "userId",
    "time": "occurredAt",
    "data": "metadata",
}
DATA = "metadata"


def attributes(document: Attributes, tenant: str | None) -> Attributes:
    """Return the event's attributes. An app is a tenant here, so `appId` names it where nothing else does."""
    app = document.get("appId")
    result = renamed(document, NAMES, app if tenant is None else tenant)
    result["type"] = event_type(document.get("eventType"))
    result["source"] = uri_reference(f"app:{app}") if isinstance(app, str) and app else app
    return result
