"""Amounts read from events, and the bounds of what a posting and a balance can hold."""

from collections.abc import Callable
from typing import Final

from pipeline.errors import PoisonEvent, Reason
from rules.conditions import EvalContext, compile_reader
from rules.fields import TRANSFER_MAX

BALANCE_MAX: Final = 2**53 - 1  # the greatest integer that every JSON reader keeps


def amount_of(value: object, per: int, times: int) -> int:
    """Return floor(value / per) * times, computed exactly, for a number that is not negative; 0 for anything else."""
    if type(value) is int:
        return value // per * times if value > 0 else 0
    if type(value) is float and 0 < value < float("inf"):
        numerator, denominator = value.as_integer_ratio()
        return numerator // (denominator * per) * times
    return 0


def compile_amount(path: str, per: int, times: int) -> Callable[[EvalContext], int]:
    """Return a function that reads an amount from the field `path`."""
    read = compile_reader(path)
    return lambda context: amount_of(read(context), per, times)


def out_of_range(amount: int, currency: str) -> PoisonEvent:
    """Return the error for a posting, or a balance that it leads to, that no account can hold."""
    if amount > TRANSFER_MAX:
        return PoisonEvent(Reason.AMOUNT_OUT_OF_RANGE, f"an award of more than {TRANSFER_MAX} {currency}")
    return PoisonEvent(Reason.AMOUNT_OUT_OF_RANGE, f"a balance of more than {BALANCE_MAX} {currency}")
