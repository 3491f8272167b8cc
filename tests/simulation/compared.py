"""Says where what is differs from what must be."""

from collections.abc import Iterator
from typing import Any


def compared(what: str, found: Any, wanted: Any) -> Iterator[str]:
    """Yield where two mappings or lists differ first."""
    if found == wanted:
        return
    if isinstance(found, dict):
        key = min((each for each in found.keys() | wanted.keys() if found.get(each) != wanted.get(each)), key=repr)
        yield f"{what}: {key} is {found.get(key)}, must be {wanted.get(key)}"
    else:
        yield f"{what}: {found}, must be {wanted}"
