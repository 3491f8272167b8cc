"""The condition language as documents write it: comparisons of fields, joined by `all`, `any` and `not`."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from rules.fields import PATH_KEYS_MAX, closest, mistake, parse_instant

Op = Literal[
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in",
    "contains", "contains_any", "contains_all", "starts_with", "ends_with", "exists",
]  # fmt: skip
ORDERINGS: Final = frozenset({"gt", "gte", "lt", "lte"})
LIST_OPS: Final = frozenset({"in", "not_in", "contains_any", "contains_all"})
SCALAR_OPS: Final = ORDERINGS | {"eq", "ne", "in", "not_in", "exists"}  # what numbers and instants can be asked
NODES_MAX: Final = 500
DEPTH_MAX: Final = 16  # the parser of the generated function gives up at ninety
VALUES_MAX: Final = 1_000

ROOTS: Final = ("data", "actor", "event", "profile")
EVENT_FIELDS: Final = ("type", "source", "time")
PROFILE_FIELDS: Final = ("balance", "level", "streak", "badges")


class Model(BaseModel):
    """A part of a document: immutable, and a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, serialize_by_alias=True)


def _field_path(path: str, info: ValidationInfo) -> str:
    root, *keys = path.split(".")
    if root not in ROOTS:
        raise mistake("field", f"a field begins with data, actor, event or profile, not {root!r}", closest(root, ROOTS))
    if not keys or not all(keys) or len(keys) > PATH_KEYS_MAX:
        raise mistake("field", f"{path!r} names no field", f"{root}.<name>")
    if root == "event" and (len(keys) > 1 or keys[0] not in EVENT_FIELDS):
        raise mistake("field", f"an event has no field {'.'.join(keys)!r}", closest(keys[0], EVENT_FIELDS))
    if root == "profile":
        _profile_field(keys, info)
    return path


def _profile_field(keys: list[str], info: ValidationInfo) -> None:
    if keys[0] not in PROFILE_FIELDS:
        raise mistake("field", f"a profile has no field {keys[0]!r}", closest(keys[0], PROFILE_FIELDS))
    if keys[0] in {"level", "badges"} and len(keys) > 1:
        raise mistake("field", f"profile.{keys[0]} has no parts", f"write profile.{keys[0]}")
    if keys[0] == "streak":
        _known_name("streak", ".".join(keys[1:]), "streaks", info)
    if keys[0] == "balance":
        known = (info.context or {}).get("currencies")
        if len(keys) != 2:
            raise mistake("field", "a balance is of one currency", "write profile.balance.<currency>")
        if known is not None and keys[1] not in known:
            raise mistake("unknown_currency", f"there is no currency {keys[1]!r}", closest(keys[1], known))


def _known_name(what: str, name: str, section: str, info: ValidationInfo) -> None:
    known = (info.context or {}).get(section)
    if not name:
        raise mistake("field", f"a {what} is named by its id", f"write profile.{what}.<id>")
    if known is not None and name not in known:
        raise mistake(f"unknown_{what}", f"there is no {what} {name!r}", closest(name, known) or f"add it to {section}")


FieldPath = Annotated[str, AfterValidator(_field_path)]


def is_number(value: object) -> bool:
    """Return whether a value is a number; true and false are none."""
    return type(value) is int or type(value) is float


class Comparison(Model):
    """A comparison of one field with a constant."""

    field: FieldPath
    op: Op
    value: Any

    @model_validator(mode="after")
    def _check_value(self, info: ValidationInfo) -> "Comparison":
        if self.op == "exists":
            if not isinstance(self.value, bool):
                raise mistake("value", "exists takes true or false", "value: true", at="value")
            return self
        values = self.value if self.op in LIST_OPS else [self.value]
        if not isinstance(values, list):
            raise mistake("value", f"{self.op} takes a list", "value: [...]", at="value")
        if not values:
            raise mistake("never", f"{self.op} with an empty list can never match", "name the values", at="value")
        if len(values) > VALUES_MAX:
            raise mistake("value", f"a list has at most {VALUES_MAX} values", "split the rule", at="value")
        for value in values:
            self._check_one(value, info)
        return self

    def _check_one(self, value: object, info: ValidationInfo) -> None:
        if not (isinstance(value, str | bool) or is_number(value)):
            raise mistake("value", f"{value!r} can't be compared", "text, a number, true or false", at="value")
        if self.op in ORDERINGS and isinstance(value, bool):
            raise mistake("never", "true and false have no order", "use eq", at="value")
        if self.op in {"starts_with", "ends_with"} and not isinstance(value, str):
            raise mistake("never", f"{self.op} compares text, so {value!r} can never match", "quote it", at="value")
        if self.field == "event.time":
            self._check_op("an instant")
            _instant_or_mistake(value)
        elif self.field == "profile.badges":
            self._check_badge(value, info)
        elif self.field.startswith("profile."):
            self._check_op("a number")
            if not is_number(value):
                raise mistake("never", f"{self.field} is a number: {value!r} can never match", "a number", at="value")
        elif self.field.startswith("event.") and not isinstance(value, str):
            raise mistake("never", f"{self.field} is text: {value!r} can never match", "quote it", at="value")

    def _check_badge(self, value: object, info: ValidationInfo) -> None:
        if self.op not in {"contains", "contains_any", "contains_all"}:
            raise mistake("never", f"{self.field} is a list, so {self.op} can never match", "contains", at="op")
        if not isinstance(value, str):
            raise mistake("never", f"badges have ids: {value!r} is none", "the id of a badge", at="value")
        known = (info.context or {}).get("badges")
        if known is not None and value not in known:
            suggestion = closest(value, known) or "add it to badges"
            raise mistake("unknown_badge", f"there is no badge {value!r}", suggestion, at="value")

    def _check_op(self, what: str) -> None:
        if self.op not in SCALAR_OPS:
            raise mistake(
                "never", f"{self.field} is {what}, so {self.op} can never match", "eq, gte, lt, in …", at="op"
            )


def _instant_or_mistake(value: object) -> None:
    try:
        parse_instant(value)
    except PydanticCustomError as error:
        raise mistake("instant", error.message(), str((error.context or {})["suggestion"]), at="value") from None


class AllOf(Model):
    """True when every one of the conditions is; an empty list is true."""

    all: tuple["Condition", ...]


class AnyOf(Model):
    """True when at least one of the conditions is."""

    any: Annotated[tuple["Condition", ...], Field(min_length=1)]


class Not(Model):
    """True when the condition is not."""

    not_: "Condition" = Field(alias="not")


def _kind(node: object) -> str | None:
    if isinstance(node, dict):
        for key in ("all", "any", "not"):
            if key in node:
                return f"<{key}>"
        return "<comparison>" if node.keys() & {"field", "op", "value"} else None
    for model, tag in ((AllOf, "<all>"), (AnyOf, "<any>"), (Not, "<not>"), (Comparison, "<comparison>")):
        if isinstance(node, model):
            return tag
    return None


Condition = Annotated[
    Annotated[Comparison, Tag("<comparison>")]
    | Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")],
    Discriminator(_kind, custom_error_type="condition", custom_error_message="a condition is expected"),
]


def children(node: Condition) -> tuple[Condition, ...]:
    """Return the conditions that a condition joins."""
    match node:
        case AllOf():
            return node.all
        case AnyOf():
            return node.any
        case Not():
            return (node.not_,)
        case _:
            return ()


def _bounded(root: Condition) -> Condition:
    level, nodes, depth = [root], 0, 0
    while level:
        nodes, depth = nodes + len(level), depth + 1
        if nodes > NODES_MAX or depth > DEPTH_MAX:
            raise mistake("condition", f"at most {NODES_MAX} parts and {DEPTH_MAX} levels", "split the rule")
        level = [child for node in level for child in children(node)]
    return root


When = Annotated[Condition, AfterValidator(_bounded)]
"""A whole condition: bounded in size."""

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()
