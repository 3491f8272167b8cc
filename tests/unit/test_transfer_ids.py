"""Ids of transfers: functions of their cause, and UUIDs as everyone knows them."""

from uuid import RFC_4122, UUID

from pipeline.events import cause_id, identity, transfer_id

EVENT = identity("acme", "tests", "event-1")


def test_an_id_never_changes() -> None:
    """The ledger knows a repeat by it, also after an upgrade."""
    assert transfer_id(cause_id(EVENT, 7), 10) == "4d553151-49ba-8699-811e-33d84631000a"


def test_every_part_of_the_cause_matters() -> None:
    """Another event, another sequence, another leg: another id."""
    other = identity("acme", "tests", "event-2")
    causes = [(EVENT, 7, 0), (EVENT, 7, 1), (EVENT, 8, 0), (other, 7, 0)]

    assert len({transfer_id(cause_id(event, seq), leg) for event, seq, leg in causes}) == len(causes)


def test_an_id_is_a_uuid_like_any_other() -> None:
    """Whatever the digest and the leg, it is the text that the standard library writes for it."""
    for seq in range(200):
        made = transfer_id(cause_id(EVENT, seq), seq * 300)

        read = UUID(made)
        assert (str(read), read.version, read.variant) == (made, 8, RFC_4122)
