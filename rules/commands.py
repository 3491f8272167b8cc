"""Commands: events that ask for something instead of telling what happened, and are answered."""

from typing import Any, Final

import msgspec

from pipeline.errors import PoisonEvent, Reason
from pipeline.events import Event
from rules.decision import Decision, Outcome
from rules.profile import Profile
from rules.zones import find_zone

ATTRIBUTES_MAX: Final = 64
ATTRIBUTE_NAME_LENGTH_MAX: Final = 64
ATTRIBUTES_BYTES_MAX: Final = 4_096  # every event of the actor reads and writes them

SET_ATTRIBUTES: Final = "plaudit.attributes.set"
# Named by the contracts, answered as not supported until their parts of the economy are built.
_NOT_BUILT: Final = frozenset({
    "plaudit.spend", "plaudit.adjust", "plaudit.badge.award", "plaudit.reward.redeem", "plaudit.streak.freeze",
    "plaudit.quest.start", "plaudit.reverse",
})  # fmt: skip

_encode = msgspec.msgpack.Encoder().encode


def apply_command(profile: Profile, command: Event, seq: int) -> Decision:
    """Decide about a command. A refused one changes nothing.

    Raises:
        PoisonEvent: `unknown_command`.
    """
    if command.type == SET_ATTRIBUTES:
        return _set_attributes(profile, command.data, seq)
    if command.type in _NOT_BUILT:
        return _refused(profile, "not_supported")
    raise PoisonEvent(Reason.UNKNOWN_COMMAND, f"there is no command {command.type}")


def _set_attributes(profile: Profile, changes: dict[str, Any], seq: int) -> Decision:
    """Set the attributes that `changes` names, remove those it sets to null, all or none."""
    merged = {name: value for name, value in (profile.attributes | changes).items() if value is not None}
    if any(not 0 < len(name) <= ATTRIBUTE_NAME_LENGTH_MAX for name in merged):
        return _refused(profile, "invalid_attribute_name")
    if "timezone" in merged and find_zone(merged["timezone"]) is None:
        return _refused(profile, "invalid_timezone")
    if len(merged) > ATTRIBUTES_MAX:
        return _refused(profile, "too_many_attributes")
    try:
        size = len(_encode(merged))
    except OverflowError:  # an integer of more than 64 bits has no place in a stored profile
        return _refused(profile, "attribute_out_of_range")
    if size > ATTRIBUTES_BYTES_MAX:
        return _refused(profile, "attributes_too_large")
    return Decision(msgspec.structs.replace(profile, seq=seq, attributes=merged), outcome=Outcome("applied"))


def _refused(profile: Profile, reason: str) -> Decision:
    return Decision(profile, outcome=Outcome("refused", reason))
