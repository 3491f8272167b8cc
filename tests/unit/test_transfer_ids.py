"""Ids of transfers: functions of their cause, and UUIDs as everyone knows them."""

import pickle
from uuid import RFC_4122, UUID

import msgspec

from pipeline.events import identity, transfer_id

EVENT = identity("acme", "tests", "event-1")


def test_an_id_never_changes() -> None:
    """The ledger knows a repeat by it, also after an upgrade."""
    assert transfer_id(EVENT, 7, 0) == UUID("7428adee-e3d3-87f0-b598-a44fb2511a17")


def test_every_part_of_the_cause_matters() -> None:
    """Another event, another sequence, another leg: another id."""
    other = identity("acme", "tests", "event-2")
    causes = [(EVENT, 7, 0), (EVENT, 7, 1), (EVENT, 8, 0), (other, 7, 0)]

    assert len({transfer_id(*cause) for cause in causes}) == len(causes)


def test_an_id_is_a_uuid_like_any_other() -> None:
    """It survives text, JSON, copies and the standard library's own constructor."""
    for seq in range(200):
        made = transfer_id(EVENT, seq, 0)

        assert (made.version, made.variant) == (8, RFC_4122)
        assert made == UUID(str(made)) == UUID(int=made.int) == pickle.loads(pickle.dumps(made))
        assert hash(made) == hash(UUID(str(made)))
        assert msgspec.json.decode(msgspec.json.encode(made), type=UUID) == made
