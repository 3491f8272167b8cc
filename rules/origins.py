"""Events that other events speak of: the command that an answer belongs to, the event that a command undoes."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Final

import msgspec

from pipeline.events import Event, actor_key, identity

_CLAIM_BYTES: Final = 16
_DIGEST_BYTES: Final = 12  # of what a profile remembers of a reversed event


class Origin(msgspec.Struct, frozen=True):
    """An event that others speak of."""

    source: str
    id: str
    type: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]


def named(answer: Event, origin: Origin) -> Event:
    """Return the event that an answer speaks of, as far as it is known: without its data."""
    return msgspec.structs.replace(
        answer, id=origin.id, source=origin.source, type=origin.type, time=origin.time, data={}
    )


def claim_of(command: Event, seq: int) -> str:
    """Return what the claim of the command of that sequence is called: nothing else is called so.

    Not even the same command when it comes again after its retention, or that of another actor in another partition.
    """
    name = actor_key(command.tenant, command.subject) + b"\0" + identity(command.tenant, command.source, command.id)
    hashed = blake2b(name + seq.to_bytes(8, "big"), digest_size=_CLAIM_BYTES, person=b"plaudit-claim")
    return hashed.hexdigest()


def digest_of(source: str, name: str) -> bytes:
    """Return under which name a profile remembers that an event was undone."""
    return blake2b(f"{source}\0{name}".encode(), digest_size=_DIGEST_BYTES, person=b"plaudit-reversed").digest()
