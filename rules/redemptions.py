"""An actor's redemptions of rewards: a short list, the oldest first, and how many of each reward count."""

from typing import Final

import msgspec

from pipeline.events import Ask, StockReturned
from rules.decision import Fact
from rules.profile import Game, Redemption
from rules.refusal import Refusal
from rules.work import Work

REDEMPTIONS_MAX: Final = 50
"""Redemptions that a profile remembers one by one; an older one can't be cancelled any more, but counts."""


def find(game: Game, source: str | None, name: object) -> Redemption | None:
    """Return the latest redemption whose command has that id, from that source if one is named."""
    for redemption in reversed(game.redemptions):
        if redemption.id == name and source in {None, redemption.source}:
            return redemption
    return None


def with_redemption(work: Work, redemption: Redemption) -> None:
    """Add a redemption. One that is pending is never forgotten.

    Raises:
        Refusal: `too_many_open`: so many are pending that no other fits.
    """
    kept = list(work.game.redemptions)
    while len(kept) >= REDEMPTIONS_MAX:
        oldest = next((each for each in kept if each.state != "pending"), None)
        if oldest is None:
            raise Refusal("too_many_open")
        kept.remove(oldest)
    count = work.game.redeemed.get(redemption.reward, 0) + 1
    work.change(redemptions=(*kept, redemption), redeemed={**work.game.redeemed, redemption.reward: count})


def changed(work: Work, before: Redemption, after: Redemption) -> None:
    """Replace a redemption."""
    work.change(redemptions=tuple(after if each is before else each for each in work.game.redemptions))


def released(work: Work, before: Redemption, after: Redemption | None) -> None:
    """Replace a redemption, or remove it, that counts for the actor's number no more."""
    kept = (each if each is not before else after for each in work.game.redemptions)
    count = work.game.redeemed.get(before.reward, 0) - 1
    work.change(
        redemptions=tuple(each for each in kept if each is not None),
        redeemed={**work.game.redeemed, before.reward: max(count, 0)},
    )


def undo(work: Work, redemption: Redemption) -> Ask | None:
    """Mark a redemption whose cost was given back; return what the ledger must be told of its piece."""
    released(work, redemption, msgspec.structs.replace(redemption, state="cancelled"))
    told = {"reward": redemption.reward, "redemption": redemption.id, "cost": redemption.cost}
    work.facts.append(Fact("reward.cancelled", told))
    return None if redemption.claim is None else StockReturned(redemption.reward, redemption.claim)
