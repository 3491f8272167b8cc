"""The table `profiles`: each actor's state, kept by match. Its key is `pipeline.events.actor_key`."""

from typing import Final

import msgspec

from pipeline.errors import InvariantBroken
from pipeline.topology import PROFILES
from rules.profile import EMPTY, PROFILE_VERSION, Profile

TABLE: Final = PROFILES.name

encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode


def decode(stored: bytes | None) -> Profile:
    """Return the profile that `encode` made of it; that of an actor without any event for None.

    Raises:
        InvariantBroken: the value is no profile, or of a version that this release does not know.
    """
    if stored is None:
        return EMPTY
    try:
        profile = _decode(stored)
    except msgspec.DecodeError as error:
        raise InvariantBroken(f"a stored profile can't be read: {error}") from error
    if profile.version != PROFILE_VERSION:
        raise InvariantBroken(f"a stored profile has version {profile.version}, known is {PROFILE_VERSION}")
    return profile
