"""What one document says otherwise than another, value by value."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """A value that differs; `before` or `after` is None where the document has none there."""

    path: str
    before: Any
    after: Any


def differences(before: object, after: object, path: str = "") -> Iterator[Difference]:
    """Yield what differs, in the order of the documents. Entries of a list that have ids are compared by them."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif (old := _by_id(before)) is not None and (new := _by_id(after)) is not None:
        for name in [*old, *(name for name in new if name not in old)]:
            yield from differences(old.get(name), new.get(name), f"{path}[{name}]")
        common = [name for name in old if name in new]
        if common != [name for name in new if name in old]:
            yield Difference(f"{path} (order)", [*old], [*new])
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def _by_id(entries: object) -> dict[str, object] | None:
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        return None
    objects = [entry for entry in entries if isinstance(entry, Mapping) and "id" in entry]
    named: dict[str, object] = {str(entry["id"]): entry for entry in objects}
    return named if len(named) == len(entries) else None
