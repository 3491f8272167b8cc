"""One event in the making: what its rules have given so far. A scratch pad of `rules.evaluate`, never kept."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec

from pipeline.errors import InvariantBroken
from pipeline.events import Event, Score, micros
from rules.amounts import BALANCE_MAX, out_of_range
from rules.conditions import EvalContext
from rules.decision import ISSUED, Decision, Fact, Posting, PostingKind, SkipReason, actor_account
from rules.economy import Economy
from rules.fields import TRANSFER_MAX
from rules.multipliers import active, factor_for
from rules.profile import NO_GAME, PROFILE_VERSION, Profile
from rules.scores import scores_of
from rules.streak_periods import length_at
from rules.zones import Zone, find_zone

_SECOND_US = 1_000_000
_NOWHERE: frozenset[str] = frozenset()


class Work(EvalContext):
    """The profile as the event's rules change it, and what they post. Mappings are copied at their first change.

    Conditions of rules see balances as earlier rules of the same event left them; multipliers see them as they were
    before the event.
    """

    __slots__ = (
        "_account",
        "_factors",
        "_zone",
        "at_seconds",
        "at_us",
        "cooldowns",
        "counted",
        "economy",
        "facts",
        "game",
        "limits",
        "postings",
        "profile",
        "skipped",
    )

    def __init__(self, profile: Profile, event: Event, economy: Economy) -> None:
        # The base's fields, without a call to it: one of these is made for every event.
        self.event = event
        self.data = event.data
        self.attributes = profile.attributes
        self.balances = profile.balances
        self.level = profile.level
        self.profile = profile
        self.economy = economy
        self.at_us = micros(event.time)
        self.at_seconds = self.at_us // _SECOND_US
        self.postings: list[Posting] = []
        self.facts: list[Fact] = []
        self.skipped: list[tuple[str, SkipReason]] = []
        self.limits = profile.limits
        self.cooldowns = profile.cooldowns
        self.counted: frozenset[str] = _NOWHERE
        self.game = profile.game or NO_GAME
        self._account = actor_account(event.subject)
        self._factors: dict[str, Fraction] | None = None
        self._zone: Zone | None = None

    @property
    def zone(self) -> Zone:
        """The actor's time zone: their attribute `timezone` where it names one, else the tenant's."""
        if self._zone is None:
            self._zone = actor_zone(self.attributes, self.economy.zone)
        return self._zone

    @property
    def changed(self) -> bool:
        """Whether the event has changed the profile."""
        if self.postings or self.limits is not self.profile.limits:
            return True
        return self.game is not self.profile.game and self.game is not NO_GAME

    def streak(self, name: str) -> int:
        """Return the length of a streak at the event's time, the event itself included."""
        game = self.economy.game
        if game is None or name not in game.streaks:
            return 0
        return length_at(game.streaks[name], self.game.streaks.get(name), self.at_seconds, self.zone)

    def badges(self) -> list[str]:
        """Return the ids of the badges that the actor has, those that the event gave included."""
        return list(self.game.badges)

    def room(self, currency: str) -> int:
        """Return how much the actor's account can still hold.

        What pending redemptions reserve counts: it is still there in the ledger, and comes back if there is no piece.
        """
        pending = (each for each in self.game.redemptions if each.state == "pending")
        reserved = sum(each.cost.get(currency, 0) for each in pending)
        return BALANCE_MAX - self.balances.get(currency, 0) - reserved

    def change(self, **parts: Any) -> None:
        """Replace parts of the actor's game."""
        self.game = msgspec.structs.replace(self.game, **parts)

    def factor(self, currency: str) -> Fraction:
        """Return what awards of a currency are multiplied by, for this event."""
        if self._factors is None:
            before = _Before(self)
            running = active(self.economy.multipliers, before, self.at_us)
            stacking = self.economy.stacking
            self._factors = {each: factor_for(each, running, stacking) for each in self.economy.currencies}
        return self._factors[currency]

    def post(self, currency: str, amount: int, kind: PostingKind, cause: str) -> None:
        """Give the actor an amount > 0.

        Raises:
            PoisonEvent: the amount or the balance is out of range.
        """
        balance = self.balances.get(currency, 0) + amount
        if amount > TRANSFER_MAX or balance > BALANCE_MAX or (self.game.redemptions and amount > self.room(currency)):
            raise out_of_range(amount, currency)
        if self.balances is self.profile.balances:
            self.balances = dict(self.balances)
        self.balances[currency] = balance
        self.postings.append(Posting(ISSUED, self._account, amount, currency, kind, cause))
        self.facts.append(
            Fact(
                "points.awarded",
                {"currency": currency, "amount": amount, "balance": balance, "kind": kind, "cause": cause},
            )
        )

    def give(self, currency: str, amount: int, account: str, kind: PostingKind, cause: str) -> None:
        """Move an amount > 0 from another account than `issued` to the actor.

        Raises:
            PoisonEvent: the amount or the balance is out of range.
        """
        self.post(currency, amount, kind, cause)
        self.postings[-1] = Posting(account, self._account, amount, currency, kind, cause)

    def take(self, currency: str, amount: int, account: str, kind: PostingKind, cause: str) -> None:
        """Move an amount > 0, which the actor must have, to another account.

        Raises:
            InvariantBroken: the actor has less.
        """
        balance = self.balances.get(currency, 0) - amount
        if balance < 0:
            raise InvariantBroken(f"{amount} {currency} were to be taken from less")
        self.balances = {**self.balances, currency: balance}
        self.postings.append(Posting(self._account, account, amount, currency, kind, cause))
        data = {"currency": currency, "amount": amount, "balance": balance, "kind": kind, "cause": cause}
        self.facts.append(Fact("points.deducted", data))

    def move(self, debit_account: str, credit_account: str, amount: int, currency: str, cause: str) -> None:
        """Move an amount > 0 between two accounts that are not the actor's, in a reversal."""
        self.postings.append(Posting(debit_account, credit_account, amount, currency, "reverse", cause))

    def decision(self, seq: int) -> Decision:
        """Return what came of the event."""
        if self.postings or self.changed:
            return self.applied(seq)
        return Decision(self.profile, scores=self._scores() if self.counted else (), skipped=tuple(self.skipped))

    def applied(self, seq: int) -> Decision:
        """Return what came of the event, or command, which is applied even if it moved nothing."""
        game = None if self.game is NO_GAME else self.game
        profile = Profile(
            PROFILE_VERSION, seq, self.level, self.balances, self.limits, self.cooldowns, self.profile.attributes, game
        )
        return Decision(profile, tuple(self.postings), tuple(self.facts), self._scores(), tuple(self.skipped))

    def _scores(self) -> tuple[Score, ...]:
        return scores_of(self, self.postings, self.at_seconds, self.economy, self.counted)


def actor_zone(attributes: Mapping[str, Any], default: Zone) -> Zone:
    """Return the zone that an actor's attributes name, or the default."""
    own = attributes.get("timezone") if attributes else None
    return (find_zone(own) if own is not None else None) or default


class _Before(EvalContext):
    """What multipliers see: balances and level as they were before the event, streaks with the event."""

    __slots__ = ("_work",)

    def __init__(self, work: Work) -> None:
        profile = work.profile
        super().__init__(work.event, profile.attributes, profile.balances, profile.level)
        self._work = work

    def streak(self, name: str) -> int:
        return self._work.streak(name)

    def badges(self) -> list[str]:
        return self._work.badges()
