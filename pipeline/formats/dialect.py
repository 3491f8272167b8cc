"""What the dialects have in common: their names of the attributes, and types and sources written in another style."""

import re
from typing import Any
from urllib.parse import quote

from pipeline.errors import PoisonEvent, Reason
from pipeline.formats.canonical import Attributes, Names
from pipeline.formats.document import excerpt

_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
# What a URI reference may hold beside letters and digits, save `%`, which begins an escape.
_URI_CHARACTERS = "-._~:/?#[]@!$&'()*+,;="


def renamed(document: Attributes, names: Names, tenant: str | None) -> Attributes:
    """Return the document's members under their CloudEvents names; what the dialect doesn't know is left out."""
    attributes = {attribute: document.get(name) for attribute, name in names.items()}
    attributes["specversion"] = "1.0"
    attributes["tenant"] = tenant
    return attributes


def event_type(name: object) -> object:
    """Return a type in our style: the constant `PR_MERGED` is `pr.merged`; anything else is judged as it is."""
    if isinstance(name, str) and _CONSTANT.fullmatch(name) is not None:
        return name.lower().replace("_", ".")
    return name


def uri_reference(text: object) -> object:
    """Return a text as a URI reference: other characters are escaped."""
    return quote(text, safe=_URI_CHARACTERS) if isinstance(text, str) else text


def object_or_none(document: Attributes, name: str) -> dict[str, Any] | None:
    """Return a member that must be an object if it is there.

    Raises:
        PoisonEvent: it is something else.
    """
    value = document.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise PoisonEvent(Reason.WRONG_TYPE, f"{name}: an object is expected, not {excerpt(value)}")
