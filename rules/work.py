"""One event in the making: what its rules have given so far. A scratch pad of `rules.evaluate`, never kept."""

from fractions import Fraction

from pipeline.events import Event, micros
from rules.amounts import BALANCE_MAX, out_of_range
from rules.conditions import EvalContext
from rules.decision import ISSUED, Decision, Fact, Posting, PostingKind, SkipReason, actor_account
from rules.economy import Economy
from rules.fields import TRANSFER_MAX
from rules.multipliers import active, factor_for
from rules.profile import PROFILE_VERSION, Profile
from rules.scores import scores_of
from rules.zones import Zone, find_zone

_SECOND_US = 1_000_000


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
        "economy",
        "facts",
        "limits",
        "postings",
        "profile",
        "skipped",
    )

    def __init__(self, profile: Profile, event: Event, economy: Economy) -> None:
        super().__init__(event, profile.attributes, profile.balances, profile.level)
        self.profile = profile
        self.economy = economy
        self.at_us = micros(event.time)
        self.at_seconds = self.at_us // _SECOND_US
        self.postings: list[Posting] = []
        self.facts: list[Fact] = []
        self.skipped: list[tuple[str, SkipReason]] = []
        self.limits = profile.limits
        self.cooldowns = profile.cooldowns
        self._account = actor_account(event.subject)
        self._factors: dict[str, Fraction] | None = None
        self._zone: Zone | None = None

    @property
    def zone(self) -> Zone:
        """The actor's time zone: their attribute `timezone` where it names one, else the tenant's."""
        if self._zone is None:
            own = self.attributes.get("timezone") if self.attributes else None
            self._zone = (find_zone(own) if own is not None else None) or self.economy.zone
        return self._zone

    def factor(self, currency: str) -> Fraction:
        """Return what awards of a currency are multiplied by, for this event."""
        if self._factors is None:
            before = EvalContext(self.event, self.profile.attributes, self.profile.balances, self.profile.level)
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
        if amount > TRANSFER_MAX or balance > BALANCE_MAX:
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

    def decision(self, seq: int) -> Decision:
        """Return what came of the event."""
        if not self.postings:
            return Decision(self.profile, skipped=tuple(self.skipped))
        profile = Profile(
            PROFILE_VERSION, seq, self.level, self.balances, self.limits, self.cooldowns, self.profile.attributes
        )
        return Decision(
            profile, tuple(self.postings), tuple(self.facts), scores_of(self, self.postings, self.at_seconds,
            self.economy), tuple(self.skipped),
        )  # fmt: skip
