"""Stored profiles: read for ever, refused when they are from the future."""

from pathlib import Path

import msgspec
import pytest

from pipeline.errors import InvariantBroken
from rules.limits import encode_uses
from rules.profile import EMPTY, Earned, Game, Profile
from tables import profiles

GOLDEN = Path(__file__).parents[1] / "golden" / "profiles_v1.txt"
EXAMPLE = Profile(
    seq=4_711,
    level=3,
    balances={"xp": 340, "coins": 2**53 - 1},
    limits={"security-pr:day": encode_uses({20_773: 2, 20_774: 1}), "purchase:ever:xp": encode_uses({0: 500})},
    cooldowns={"security-pr": 1_794_830_400_000_000},
    attributes={"tier": "vip", "timezone": "Europe/Berlin", "friends": ["grace", "alan"]},
)


def test_golden_profile_of_version_1_is_read() -> None:
    """What an earlier release stored is read by this one."""
    assert profiles.decode(bytes.fromhex(GOLDEN.read_text())) == EXAMPLE


def test_profile_is_written_as_it_was() -> None:
    """A change of the format would be a new version, not an accident: only fields at the end have come since."""
    written = msgspec.msgpack.decode(profiles.encode(EXAMPLE))

    assert written[:7] == msgspec.msgpack.decode(bytes.fromhex(GOLDEN.read_text()))
    assert written[7:] == [None]


def test_actor_without_events_has_an_empty_profile() -> None:
    """Everyone starts at level 1 with nothing."""
    assert profiles.decode(None) is EMPTY
    assert profiles.decode(profiles.encode(EMPTY)) == EMPTY


def test_later_field_is_passed_over_and_earlier_profile_filled_up() -> None:
    """A field at the end is a compatible change, in both directions."""
    values = msgspec.structs.astuple(EXAMPLE)

    assert profiles.decode(msgspec.msgpack.encode([*values, "new"])) == EXAMPLE
    assert profiles.decode(msgspec.msgpack.encode(values[:3])) == Profile(seq=4_711, level=3)


def test_badge_stored_before_its_tier_was_kept_has_none() -> None:
    """Its tiers are those of its number of steps, until the next one is reached."""
    earlier = Profile(game=Game(badges={"merger": Earned(steps=2, at_us=7)}))
    values = msgspec.msgpack.decode(profiles.encode(earlier))
    values[7][2]["merger"] = [2, 7, 0]

    assert profiles.decode(msgspec.msgpack.encode(values)) == earlier


@pytest.mark.parametrize("stored", [b"", b"\xc1", b"\x93\x02\x00\x01", msgspec.msgpack.encode({"a": 1})])
def test_unknown_value_stops_the_worker(stored: bytes) -> None:
    """A profile that can't be read is never taken for an empty one."""
    with pytest.raises(InvariantBroken):
        profiles.decode(stored)
