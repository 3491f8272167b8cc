"""Which versions of a payload an economy was written for."""

from collections.abc import Mapping
from typing import Final

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import Event

Versions = Mapping[str, frozenset[int]]
"""The major versions named for an event type, `pr.merged`, or for all types with a prefix, `pr.*`."""

NO_VERSIONS: Final[Versions] = {}


def check_version(event: Event, versions: Versions) -> None:
    """Refuse an event whose payload has a major version that the economy does not name.

    The name closest to the type decides: the type itself, then its longest prefix, then `*`. A type that is not
    named, or an event without a version, is accepted.

    Raises:
        PoisonEvent: `unsupported_version`.
    """
    if event.dataversion is None:
        return
    majors = _majors(event.type, versions)
    if majors is None:
        return
    major = event.dataversion.partition(".")[0]
    if not (major.isascii() and major.isdecimal() and len(major) <= 9 and int(major) in majors):
        known = ", ".join(str(each) for each in sorted(majors))
        raise PoisonEvent(
            Reason.UNSUPPORTED_VERSION, f"version {event.dataversion} of {event.type}: the economy knows major {known}"
        )


def _majors(event_type: str, versions: Versions) -> frozenset[int] | None:
    if event_type in versions:
        return versions[event_type]
    prefix = event_type
    while prefix:
        prefix = prefix.rpartition(".")[0]
        majors = versions.get(f"{prefix}.*" if prefix else "*")
        if majors is not None:
            return majors
    return None
