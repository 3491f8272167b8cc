"""Multipliers: exact factors on awards, stacked as the economy says."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, assert_never

from rules.conditions import EvalContext
from rules.economy import Multiplier, Stacking

ONE: Final = Fraction(1)


def active(multipliers: Sequence[Multiplier], context: EvalContext, at_us: int) -> tuple[Multiplier, ...]:
    """Return the multipliers that hold for an event at that time (microseconds)."""
    return tuple(
        each
        for each in multipliers
        if each.from_us <= at_us < each.until_us and (each.when is None or each.when(context))
    )


def factor_for(currency: str, multipliers: Iterable[Multiplier], stacking: Stacking) -> Fraction:
    """Return the one factor that active multipliers make for a currency, never negative; 1 if none is about it.

    `multiply` takes their product, `highest` the greatest of them, and `add` sums what each adds to 1: two factors of
    1.5 make 2.
    """
    factors = [each.factor for each in multipliers if each.currency is None or each.currency == currency]
    if len(factors) < 2:
        return factors[0] if factors else ONE
    match stacking:
        case "multiply":
            product = ONE
            for factor in factors:
                product *= factor
            return product
        case "highest":
            return max(factors)
        case "add":
            return max(ONE + sum(factor - 1 for factor in factors), Fraction(0))
        case _:
            assert_never(stacking)


def multiplied(amount: int, factor: Fraction) -> int:
    """Return an amount that is not negative times the factor, rounded toward zero."""
    return amount * factor.numerator // factor.denominator
