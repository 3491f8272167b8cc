"""Compiles an economy document, once per revision, to what the evaluation of events needs."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from rules import schema
from rules.amounts import compile_amount
from rules.board_compiler import compile_boards
from rules.condition_schema import AllOf, Comparison, Condition
from rules.conditions import compile_condition, compile_reader
from rules.economy import Amount, Economy, Levels, Multiplier, Rule
from rules.game_compiler import compile_game
from rules.index import Entry, RuleIndex
from rules.instants import after_us, before_us
from rules.limits import Limit, make_limit
from rules.zones import zone_named

_SECOND_US: Final = 1_000_000


def compile_economy(document: schema.EconomyDocument, revision: int, effective_ms: int) -> Economy:
    """Return the economy that a validated document describes."""
    entries = [Entry(_rule(order, rule), rule.on, dict(_needs(rule.when))) for order, rule in enumerate(document.rules)]
    readers = {field: compile_reader(field) for field in sorted({field for entry in entries for field in entry.needs})}
    return Economy(
        tenant=document.economy,
        revision=revision,
        effective_ms=effective_ms,
        zone=zone_named(document.timezone),
        currencies=frozenset(document.currencies),
        rules=RuleIndex(entries, readers),
        multipliers=tuple(_multiplier(each) for each in document.multipliers),
        stacking=document.stacking,
        levels=_levels(document.levels),
        boards=compile_boards(document),
        versions={name: frozenset(majors) for name, majors in document.dataversions.items()},
        game=compile_game(document),
        spendable=frozenset(name for name, options in document.currencies.items() if options.spendable),
    )


def _rule(order: int, rule: schema.Rule) -> Rule:
    return Rule(
        id=rule.id,
        order=order,
        when=None if rule.when is None else compile_condition(rule.when),
        awards=tuple((currency, _amount(amount)) for currency, amount in rule.award.items()),
        limit=None if rule.limit is None else _limit(rule.id, rule.limit),
        cooldown_us=(rule.cooldown or 0) * _SECOND_US,
        multiplied=rule.multipliers,
    )


def _needs(condition: Condition | None) -> Iterator[tuple[str, str]]:
    """Yield fields that must equal a text for the condition to hold."""
    match condition:
        case Comparison(op="eq", value=str()):
            if condition.field != "event.time":  # its text is an instant
                yield condition.field, condition.value
        case AllOf():
            for child in condition.all:
                yield from _needs(child)
        case _:
            pass


def _amount(amount: int | schema.FieldAmount) -> Amount:
    return amount if isinstance(amount, int) else compile_amount(amount.field, amount.per, amount.times)


def _limit(rule: str, limit: schema.Limit) -> Limit:
    if limit.times is not None:
        return make_limit(rule, limit.times, None, limit.per)
    assert limit.amount is not None, "the schema wants one of them"
    return make_limit(rule, limit.amount, limit.of, limit.per)


def _multiplier(multiplier: schema.Multiplier) -> Multiplier:
    return Multiplier(
        id=multiplier.id,
        currency=multiplier.currency,
        factor=Fraction(multiplier.factor or 1),
        from_us=after_us(multiplier.from_),
        until_us=before_us(multiplier.until),
        when=None if multiplier.when is None else compile_condition(multiplier.when),
        streak=multiplier.streak,
        steps=tuple(sorted((length, Fraction(factor)) for length, factor in (multiplier.steps or {}).items())),
    )


def _levels(levels: schema.Levels | None) -> Levels | None:
    return None if levels is None else Levels(levels.currency, levels.thresholds, tuple(levels.award.items()))
