"""Why a command is not carried out, and how its fields are read."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pipeline.errors import PipelineError
from pipeline.events import Event
from rules.decision import RefusalReason
from rules.fields import TRANSFER_MAX

T = TypeVar("T")

REASON_LENGTH_MAX: Final = 256


class Refusal(PipelineError):
    """A command is refused; `reason` is the code of its outcome. It never leaves the rules.

    `event` is the command, where it isn't the event that is judged.
    """

    def __init__(self, reason: RefusalReason, event: Event | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.event = event


def amount_in(data: Mapping[str, Any], *, signed: bool = False) -> int:
    """Return the command's amount: a whole number of the smallest unit that one transfer can move.

    Raises:
        Refusal: `invalid_amount`.
    """
    amount = data.get("amount")
    if type(amount) is not int or amount == 0 or abs(amount) > TRANSFER_MAX or (amount < 0 and not signed):
        raise Refusal("invalid_amount")
    return amount


def reason_in(data: Mapping[str, Any], default: str) -> str:
    """Return the reason that a command gives, which becomes the cause of its transfers.

    Raises:
        Refusal: `invalid_reason`: it is no text, too long, or holds what no database keeps.
    """
    reason = data.get("reason")
    if reason is None or reason == "":
        return default
    if not isinstance(reason, str) or len(reason) > REASON_LENGTH_MAX or "\0" in reason:
        raise Refusal("invalid_reason")
    return reason


def known_in(entries: Mapping[str, T], name: object, otherwise: RefusalReason) -> T:
    """Return the entry of the economy that a command names.

    Raises:
        Refusal: `otherwise`: there is none.
    """
    entry = entries.get(name) if isinstance(name, str) else None
    if entry is None:
        raise Refusal(otherwise)
    return entry
