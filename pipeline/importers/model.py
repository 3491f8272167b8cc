"""What every reader yields, and how it says that a part of its source can't be read."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import Headers
from pipeline.formats.canonical import Attributes, Names, canonical, content_id

# Beyond this a record does not fit into a broker's usual message.
VALUE_BYTES_MAX = 900_000


class Unread(NamedTuple):
    """Bytes that can't be read here but may be appended as they are, to end among the dead letters, unchanged."""

    value: bytes
    headers: Headers


class Refusal(NamedTuple):
    """A part of a source that is no event: where it stands (`line 7`), and why."""

    place: str
    reason: Reason
    message: str


# Told of each part that is refused; may raise to stop the reader.
Refuse = Callable[[Refusal], None]


class Occurrences:
    """Ids for events that have none: a hash of the content, and which occurrence of it in the source this is.

    So equal lines of one source are different events, and a second run over the same source gives the same ids.
    Remembers a hash per distinct content, about 150 bytes each.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def id_of(self, attributes: Attributes) -> str:
        """Return the id of the next event with this content."""
        base = content_id(attributes)
        self._seen[base] += 1
        number = self._seen[base]
        return base if number == 1 else f"{base}-{number}"


def refusal_of(attributes: Attributes, now_ms: int, names: Names, place: str) -> Refusal | None:
    """Return why normalize would refuse an event with these attributes if it were appended now; None if it won't."""
    try:
        canonical(attributes, now_ms, None, names)
    except PoisonEvent as error:
        return Refusal(place, error.reason, error.message)
    return None
