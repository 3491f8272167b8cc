"""Which column becomes what: `actor=customer`, `time=day:%Y%m%d`, `data.price=price:cents`, `type==shop.visited`."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pipeline.errors import PoisonEvent, Reason, UserError
from pipeline.importers.conversions import DATA_CONVERSIONS, Conversion, time_conversion

# What a user calls it, and the attribute that it is. Data is `data.<name>`.
TARGETS = {"actor": "subject", "time": "time", "type": "type", "id": "id", "source": "source"}
REQUIRED = ("actor", "type")
DATA_PREFIX = "data."

_SYNTAX = "write target=column, target=column:conversion or target==constant"


class Source(NamedTuple):
    """Where a value comes from: a column (by index) and its conversion."""

    target: str
    column: int
    convert: Conversion


class Mapping(NamedTuple):
    """How a row becomes an event: values that are the same for every row, and columns."""

    constants: dict[str, str]
    sources: tuple[Source, ...]

    def values(self, row: Sequence[str]) -> dict[str, Any]:
        """Return the values of a row by target; an empty cell has none.

        Raises:
            PoisonEvent: a cell can't be converted.
        """
        result: dict[str, Any] = dict(self.constants)
        for target, column, convert in self.sources:
            text = row[column].strip()
            if not text:
                if target == "time":
                    raise PoisonEvent(Reason.MISSING_FIELD, "time: the cell is empty")
                continue
            try:
                result[target] = convert(text)
            except (ValueError, OverflowError) as error:
                reason = Reason.INVALID_TIME if target == "time" else Reason.INVALID_VALUE
                raise PoisonEvent(reason, f"{target}: {error}") from None
        return result


def parse_mapping(specifications: Sequence[str], columns: Sequence[str], zone: ZoneInfo) -> Mapping:
    """Return the mapping that `--map` options describe, for a file with these columns.

    Raises:
        UserError: one names an unknown target, column or conversion, a target twice, or a required target is missing.
    """
    constants: dict[str, str] = {}
    sources: list[Source] = []
    for specification in specifications:
        target, separator, rest = specification.partition("=")
        if not separator or not rest:
            raise UserError(f"--map {specification}: {_SYNTAX}")
        if target not in TARGETS and not (target.startswith(DATA_PREFIX) and target != DATA_PREFIX):
            raise UserError(f"--map {specification}: {target!r} is not one of {', '.join(TARGETS)}, data.<name>")
        if target in constants or any(source.target == target for source in sources):
            raise UserError(f"--map {specification}: {target} is mapped twice")
        if rest.startswith("="):
            constants[target] = rest[1:]
        else:
            sources.append(_source(specification, target, rest, columns, zone))
    for target in REQUIRED:
        if target not in constants and all(source.target != target for source in sources):
            raise UserError(f"--map {target}=… is missing: who, and what they did, must come from somewhere")
    return Mapping(constants, tuple(sources))


def _source(specification: str, target: str, text: str, columns: Sequence[str], zone: ZoneInfo) -> Source:
    """Return a column and its conversion. A column's name may hold colons: the longest name that fits counts."""
    fitting = [name for name in columns if text == name or text.startswith(f"{name}:")]
    if not fitting:
        raise UserError(f"--map {specification}: no column {text.partition(':')[0]!r}; there are {', '.join(columns)}")
    column = max(fitting, key=len)
    return Source(target, columns.index(column), _conversion(specification, target, text[len(column) + 1 :], zone))


def _conversion(specification: str, target: str, name: str, zone: ZoneInfo) -> Conversion:
    if target == "time":
        return time_conversion(name, zone)
    if target in TARGETS:
        if name:
            raise UserError(f"--map {specification}: {target} is a text and is not converted")
        return str
    try:
        return DATA_CONVERSIONS[name or "text"]
    except KeyError:
        known = ", ".join(DATA_CONVERSIONS)
        raise UserError(f"--map {specification}: no conversion {name!r}; there are {known}") from None
