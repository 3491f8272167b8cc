"""Which versions of an event's payload an economy was written for."""

from collections.abc import Mapping
from typing import Any


def accepts(document: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Return whether a document knows the major version of an event, if it names any for its type."""
    kind, version = event["type"], event.get("dataversion")
    named = document.get("dataversions", {})
    about = [each for each in named if each in {kind, "*"} or (each.endswith(".*") and kind.startswith(each[:-1]))]
    if version is None or kind.startswith("plaudit.") or not about:
        return True
    closest = max(about, key=lambda each: (each == kind, len(each)))
    return int(version.split(".")[0]) in named[closest]
