"""Multipliers: exact factors on awards, stacked as the economy says."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, assert_never

from rules.conditions import EvalContext
from rules.economy import Multiplier, Stacking

ONE: Final = Fraction(1)


Active = tuple[str | None, Fraction]
"""A factor that holds for an event, and its currency (None: every)."""


def active(multipliers: Sequence[Multiplier], context: EvalContext, at_us: int) -> list[Active]:
    """Return the factors that hold for an event at that time (microseconds)."""
    return [
        (each.currency, each.factor if each.streak is None else factor)
        for each in multipliers
        if each.from_us <= at_us < each.until_us
        and (each.when is None or each.when(context))
        and (factor := ONE if each.streak is None else _step(each, context.streak(each.streak)))
    ]


def _step(multiplier: Multiplier, length: int) -> Fraction | None:
    """Return the factor of the longest step that a streak reaches, None if it reaches none."""
    return next((factor for step, factor in reversed(multiplier.steps) if step <= length), None)


def factor_for(currency: str, running: Iterable[Active], stacking: Stacking) -> Fraction:
    """Return the one factor that active multipliers make for a currency, never negative; 1 if none is about it.

    `multiply` takes their product, `highest` the greatest of them, and `add` sums what each adds to 1: two factors of
    1.5 make 2.
    """
    factors = [factor for of, factor in running if of is None or of == currency]
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
