"""Commands that move points: spending them, and adjusting a balance by hand."""

from typing import Any

from rules.decision import ADJUSTED, SPENT, PostingKind
from rules.refusal import Refusal, amount_in, reason_in
from rules.work import Work


def spend(work: Work, data: dict[str, Any]) -> None:
    """Move an amount from the actor to `spent`.

    Raises:
        Refusal: `unknown_currency`, `not_spendable`, `invalid_amount`, `invalid_reason`, `insufficient_balance`.
    """
    currency = _currency(work, data)
    if currency not in work.economy.spendable:
        raise Refusal("not_spendable")
    amount, reason = amount_in(data), reason_in(data, "spend")
    _take(work, currency, amount, SPENT, "spend", reason)


def adjust(work: Work, data: dict[str, Any]) -> None:
    """Move an amount from `adjusted` to the actor; back, if it is negative.

    Raises:
        Refusal: `unknown_currency`, `invalid_amount`, `invalid_reason`, `insufficient_balance`.
        PoisonEvent: no balance can hold what is given.
    """
    currency = _currency(work, data)
    amount, reason = amount_in(data, signed=True), reason_in(data, "adjust")
    if amount < 0:
        _take(work, currency, -amount, ADJUSTED, "adjust", reason)
        return
    work.give(currency, amount, ADJUSTED, "adjust", reason)


def _currency(work: Work, data: dict[str, Any]) -> str:
    currency = data.get("currency")
    if not isinstance(currency, str) or currency not in work.economy.currencies:
        raise Refusal("unknown_currency")
    return currency


def _take(work: Work, currency: str, amount: int, account: str, kind: PostingKind, cause: str) -> None:
    if work.balances.get(currency, 0) < amount:
        raise Refusal("insufficient_balance")
    work.take(currency, amount, account, kind, cause)
