"""Finds the rules that an event can match without looking at the others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from rules.conditions import EvalContext

TYPES_REMEMBERED_MAX: Final = 4_096  # event types come from producers; their number has no bound
_KEYED_MIN: Final = 4  # fewer rules are tried faster than looked up
_REPEATED_MAX: Final = 64


class Ordered(Protocol):
    """What stands at a place in the document."""

    @property
    def order(self) -> int: ...


R = TypeVar("R", bound=Ordered)


class Entry(Generic[R]):
    """A rule with what must hold for it: an event type among `patterns`, and texts that fields must equal (`needs`)."""

    __slots__ = ("needs", "patterns", "rule")

    def __init__(self, rule: R, patterns: Sequence[str], needs: Mapping[str, str]) -> None:
        self.rule = rule
        self.patterns = patterns
        self.needs = needs


class Candidates(Generic[R]):
    """The rules of one event type, by the text of the field that tells most of them apart."""

    __slots__ = ("_always", "_keyed", "_read")

    def __init__(self, entries: Sequence[Entry[R]], readers: Mapping[str, Callable[[EvalContext], object]]) -> None:
        self._read: Callable[[EvalContext], object] | None = None
        self._keyed: dict[object, tuple[R, ...]] = {}
        field = _commonest_need(entries)
        self._always = tuple(entry.rule for entry in entries if field is None or field not in entry.needs)
        if field is None:
            return
        self._read = readers[field]
        values = {entry.needs[field] for entry in entries if field in entry.needs}
        groups: dict[str, list[R]] = {value: [] for value in values}
        for entry in entries:  # in document order, so that each group is, too
            for value in (entry.needs[field],) if field in entry.needs else values:
                groups[value].append(entry.rule)
        self._keyed = {value: tuple(rules) for value, rules in groups.items()}

    def matching(self, context: EvalContext) -> tuple[R, ...]:
        """Return, in document order, the rules whose conditions are worth evaluating."""
        if self._read is None:
            return self._always
        value = self._read(context)
        # Only a text can be a key here, and a list or an object could not even be looked up.
        return self._keyed.get(value, self._always) if value.__class__ is str else self._always


def _commonest_need(entries: Sequence[Entry[R]]) -> str | None:
    """Return the field that most rules need to equal a text; None if looking it up would save too little."""
    values: dict[str, list[str]] = {}
    for entry in entries:
        for field, value in entry.needs.items():
            values.setdefault(field, []).append(value)
    for field in sorted(values, key=lambda each: (-len(values[each]), each)):
        others = len(entries) - len(values[field])
        # Rules that do not need the field stand in every group: their number times the groups is what it costs to keep.
        if len(values[field]) >= _KEYED_MIN and others * len(set(values[field])) <= _REPEATED_MAX * len(entries):
            return field
    return None


class RuleIndex(Generic[R]):
    """The rules of an economy, by event type. What a type can match is worked out when the type is first seen."""

    __slots__ = ("_by_type", "_exact", "_readers")

    def __init__(self, entries: Sequence[Entry[R]], readers: Mapping[str, Callable[[EvalContext], object]]) -> None:
        self._readers = readers
        self._by_type: dict[str, Candidates[R] | None] = {}
        self._exact: dict[str, list[Entry[R]]] = {}
        for entry in entries:
            for pattern in dict.fromkeys(entry.patterns):
                self._exact.setdefault(pattern, []).append(entry)

    def candidates(self, event_type: str) -> Candidates[R] | None:
        """Return the rules that events of a type can match, or None if no rule is about it."""
        try:
            return self._by_type[event_type]
        except KeyError:
            return self._remember(event_type)

    def _remember(self, event_type: str) -> Candidates[R] | None:
        patterns = [event_type, "*"]
        prefix = event_type
        while "." in prefix:
            prefix = prefix.rpartition(".")[0]
            patterns.append(f"{prefix}.*")
        found = {entry.rule.order: entry for pattern in patterns for entry in self._exact.get(pattern, ())}
        candidates = Candidates([found[order] for order in sorted(found)], self._readers) if found else None
        if len(self._by_type) >= TYPES_REMEMBERED_MAX:
            self._by_type.clear()
        self._by_type[event_type] = candidates
        return candidates
