"""What a tenant knows of an actor beside the game: names and values, some with a meaning to the rules."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pipeline.events import ACTOR_LENGTH_MAX
from rules.decision import Decision, Outcome
from rules.profile import Profile
from rules.refusal import Refusal
from rules.zones import find_zone

ATTRIBUTES_MAX: Final = 64
ATTRIBUTE_NAME_LENGTH_MAX: Final = 64
ATTRIBUTES_BYTES_MAX: Final = 4_096  # every event of the actor reads and writes them

_encode = msgspec.msgpack.Encoder().encode


def set_attributes(profile: Profile, changes: dict[str, Any], seq: int) -> Decision:
    """Set the attributes that `changes` names, remove those it sets to null, all or none.

    Raises:
        Refusal: a name or value is not possible, or there are too many.
    """
    merged = {name: value for name, value in (profile.attributes | changes).items() if value is not None}
    if any(not 0 < len(name) <= ATTRIBUTE_NAME_LENGTH_MAX for name in merged):
        raise Refusal("invalid_attribute_name")
    if "timezone" in merged and find_zone(merged["timezone"]) is None:
        raise Refusal("invalid_timezone")
    if len(merged) > ATTRIBUTES_MAX:
        raise Refusal("too_many_attributes")
    try:
        size = len(_encode(merged))
    except OverflowError:  # an integer of more than 64 bits has no place in a stored profile
        raise Refusal("attribute_out_of_range") from None
    if size > ATTRIBUTES_BYTES_MAX:
        raise Refusal("attributes_too_large")
    return Decision(msgspec.structs.replace(profile, seq=seq, attributes=merged), outcome=Outcome("applied"))


def friends_in(attributes: Mapping[str, Any]) -> list[str]:
    """Return whom the attribute `friends` names, in its order; what no actor can be called is left out."""
    friends = attributes.get("friends")
    if not isinstance(friends, list):
        return []
    names = (each for each in friends if isinstance(each, str))
    return [name for name in names if 0 < len(name) <= ACTOR_LENGTH_MAX and "\0" not in name]
