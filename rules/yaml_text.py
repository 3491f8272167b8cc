"""Reads the text of a document, YAML or JSON, into plain values: mappings, lists, strings, numbers, booleans, None.

YAML is read as its version 1.2 says: `on`, `yes` and dates are text, only `true` and `false` are booleans. What makes
YAML dangerous or ambiguous is refused: tags, aliases, duplicate keys, a second document, deep nesting.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import yaml

from pipeline.errors import DocumentUnreadable

DOCUMENT_CHARACTERS_MAX: Final = 1_048_576
DOCUMENT_DEPTH_MAX: Final = 32  # an economy needs nine; conditions may nest

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is built in: ten times as fast
_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}


def parse_document(text: str) -> object:
    """Return the plain value of a YAML or JSON text. Every key of a mapping is a string, numbers become their text.

    Raises:
        DocumentUnreadable: the text is neither, or goes beyond what is read; the message names line and column.
    """
    if len(text) > DOCUMENT_CHARACTERS_MAX:
        raise DocumentUnreadable(f"the document has {len(text)} characters; at most {DOCUMENT_CHARACTERS_MAX} are read")
    if text.lstrip().startswith("{"):
        try:
            return _parse_json(text)
        except ValueError:
            pass  # YAML in flow style, or a mistake: its parser says where
    try:
        return _build(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error.problem or "not YAML", error.problem_mark or error.context_mark) from error
    except yaml.YAMLError as error:
        raise DocumentUnreadable(f"not YAML: {error}") from error


def _parse_json(text: str) -> object:
    """Read JSON as JSON: YAML's parser knows neither its escapes of surrogate pairs nor tabs as indentation."""
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_float=_float, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep(None) from None
    level = [value]
    for _ in range(DOCUMENT_DEPTH_MAX):
        level = [child for parent in level if isinstance(parent, dict | list) for child in _children(parent)]
    if any(isinstance(value, dict | list) for value in level):
        raise _too_deep(None)
    return value


def _children(parent: dict[str, Any] | list[Any]) -> list[Any]:
    return list(parent.values()) if isinstance(parent, dict) else parent


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for key, value in pairs:
        if key in mapping:
            raise DocumentUnreadable(f"the key {key!r} is given twice")
        mapping[key] = value
    return mapping


def _refuse_constant(text: str) -> object:
    raise DocumentUnreadable(f"{text} is no number")


def _too_deep(mark: Any) -> DocumentUnreadable:
    return _unreadable(f"nested more than {DOCUMENT_DEPTH_MAX} levels deep", mark)


def _build(events: Iterator[Any]) -> object:
    """Build the value from the parser's events, without recursion."""
    documents = 0
    # The bottom of the stack stands for the text as a whole: a list of its documents.
    stack: list[_Collection] = [_Sequence()]
    for event in events:
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise _unreadable("a second document begins; write one", event.start_mark)
            case yaml.AliasEvent():
                raise _unreadable("aliases are not read; write the value out", event.start_mark)
            case yaml.CollectionStartEvent():
                stack.append(_opened(event, len(stack)))
            case yaml.CollectionEndEvent():
                value = stack.pop().value
                stack[-1].add(value, event)
            case yaml.ScalarEvent():
                _refuse_marks(event)
                stack[-1].add_scalar(event)
            case _:
                pass  # the ends of the text and of its document
    return stack[0].value[0] if stack[0].value else None


def _opened(event: Any, depth: int) -> "_Collection":
    _refuse_marks(event)
    if depth > DOCUMENT_DEPTH_MAX:
        raise _too_deep(event.start_mark)
    return _Mapping(event) if isinstance(event, yaml.MappingStartEvent) else _Sequence()


class _Sequence:
    def __init__(self) -> None:
        self.value: Any = []

    def add(self, value: object, _event: Any) -> None:
        self.value.append(value)

    def add_scalar(self, event: Any) -> None:
        self.add(_scalar(event), event)


class _Mapping:
    def __init__(self, event: Any) -> None:
        self.value: Any = {}
        self._start = event.start_mark
        self._key: str | None = None

    def add(self, value: object, event: Any) -> None:
        if self._key is None:
            raise _unreadable("a key must be a plain word", event.start_mark)
        self.value[self._key] = value
        self._key = None

    def add_scalar(self, event: Any) -> None:
        if self._key is not None:
            self.add(_scalar(event), event)
            return
        if event.value in self.value:
            raise _unreadable(f"the key {event.value!r} is given twice", event.start_mark)
        self._key = event.value


_Collection = _Sequence | _Mapping


def _refuse_marks(event: Any) -> None:
    if event.anchor is not None:
        raise _unreadable("anchors are not read; write the value out", event.start_mark)
    if event.tag not in {None, "!"}:
        raise _unreadable(f"the tag {event.tag} is not read", event.start_mark)


def _scalar(event: Any) -> object:
    text: str = event.value
    if event.style not in {None, ""}:  # quoted or a block: always text
        return text
    if text.lower() in _WORDS and text in {text.lower(), text.capitalize(), text.upper()}:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return _float(text, event.start_mark)
    return text


def _float(text: str, mark: Any = None) -> float:
    """Return the number, which must be the one that is written: factors are exact."""
    number = float(text)
    if number in {float("inf"), float("-inf")} or Decimal(repr(number)) != Decimal(text):
        raise _unreadable(f"{text} has more digits than can be kept exactly; give at most 15", mark)
    return number


def _unreadable(problem: str, mark: Any) -> DocumentUnreadable:
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return DocumentUnreadable(where + problem)
