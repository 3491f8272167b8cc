"""What views accept: parameters are checked here once, and refused with what is wrong about them."""

import re
from collections.abc import Collection, Mapping

from aiohttp import web

from pipeline.events import ACTOR_LENGTH_MAX
from web.problems import invalid

LIMIT_MAX = 200
LIMIT_DEFAULT = 100
# More than any board has members.
OFFSET_MAX = 10**12
BOARD_LENGTH_MAX = 128
SPLIT_LENGTH_MAX = 1_024
WINDOW_LENGTH_MAX = 64  # a season is named by its id, too

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NUMBER = re.compile(r"[0-9]{1,13}")


def query_of(request: web.Request, known: Collection[str]) -> Mapping[str, str]:
    """Return the request's query parameters.

    Raises:
        Problem: one is not known, or given twice.
    """
    for name in request.query:
        if name not in known:
            raise invalid(name, f"is not known here; known: {', '.join(sorted(known)) or 'none'}")
        if len(request.query.getall(name)) > 1:
            raise invalid(name, "is given more than once")
    return request.query


def tenant_of(text: str) -> str:
    """Return a tenant's name.

    Raises:
        Problem: no tenant can have it.
    """
    if _TENANT.fullmatch(text) is None:
        raise invalid("tenant", "lower-case letters, digits and hyphens, 1 to 63 characters")
    return text


def text_of(name: str, text: str, length_max: int, *, empty: bool = False) -> str:
    """Return a text of bounded length that can be part of a key.

    Raises:
        Problem: it is too long, empty (unless `empty`), contains NUL, or is not Unicode.
    """
    if not (text or empty) or len(text) > length_max:
        raise invalid(name, f"has {len(text)} characters; from {0 if empty else 1} to {length_max} are possible")
    if "\0" in text:
        raise invalid(name, "contains a null character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(name, "is not valid Unicode") from None
    return text


def actor_of(name: str, text: str) -> str:
    """Return an actor's name.

    Raises:
        Problem: no actor can have it.
    """
    return text_of(name, text, ACTOR_LENGTH_MAX)


def number_of(name: str, text: str, lowest: int, highest: int) -> int:
    """Return a whole number between two bounds.

    Raises:
        Problem: it is none.
    """
    number = int(text) if _NUMBER.fullmatch(text) else lowest - 1
    if not lowest <= number <= highest:
        raise invalid(name, f"a whole number from {lowest} to {highest}")
    return number
