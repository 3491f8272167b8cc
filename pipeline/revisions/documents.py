"""From the text of an economy document to what is published, and from what was published to what judges events."""

import json
from typing import NamedTuple

from pipeline.errors import DocumentUnreadable, PipelineError
from rules.compiler import compile_economy
from rules.document import EconomyDocument, Problem, parse_document, validate
from rules.economy import Economy


class DocumentRefused(PipelineError):
    """An economy document has mistakes; `problems` has each with its path, the reason and a suggestion."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{each.path or 'document'}: {each.message}" for each in problems))
        self.problems = problems


class ValidDocument(NamedTuple):
    """A document without mistakes: whose it is, and its content as JSON in the author's order of keys."""

    tenant: str
    json: bytes


def read_document(text: str) -> ValidDocument:
    """Return what a YAML or JSON text says, if it can be published.

    Raises:
        DocumentRefused: it is no document, or has mistakes.
    """
    try:
        raw = parse_document(text)
    except DocumentUnreadable as error:
        raise DocumentRefused([Problem("", str(error))]) from error
    document = _valid(raw)
    # The standard library's writer, since others refuse integers beyond 64 bits, which a condition may compare with.
    return ValidDocument(document.economy, json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode())


def compile_document(document: bytes, revision: int, effective_ms: int) -> Economy:
    """Return a published document as the economy that judges events.

    Raises:
        DocumentRefused: another release, or another program, published what this one refuses.
    """
    try:
        raw = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise DocumentRefused([Problem("", f"not JSON: {error}")]) from error
    return compile_economy(_valid(raw), revision, effective_ms)


def _valid(raw: object) -> EconomyDocument:
    document = validate(raw)
    if isinstance(document, list):
        raise DocumentRefused(document)
    return document
