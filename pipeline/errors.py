"""Every deliberate error of Plaudit. The docstring is the default message; the attributes are what a handler needs."""

from enum import StrEnum


class Reason(StrEnum):
    """Why an event could not be accepted: the stable code that its dead letter carries."""

    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    DUPLICATE_KEY = "duplicate_key"
    NULL_CHARACTER = "null_character"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_VALUE = "invalid_value"
    INVALID_TIME = "invalid_time"
    FUTURE_TIME = "future_time"
    UNKNOWN_FORMAT = "unknown_format"
    UNSUPPORTED_VERSION = "unsupported_version"
    UNKNOWN_COMMAND = "unknown_command"
    UNKNOWN_TENANT = "unknown_tenant"
    NO_ECONOMY = "no_economy"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    INVALID_RECORD = "invalid_record"


class PipelineError(Exception):
    """Plaudit could not do what it was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__class__.__doc__ or self.__class__.__name__)


class PoisonEvent(PipelineError):
    """This event can never be accepted."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TransientError(PipelineError):
    """Something outside is away; the same work will succeed later."""


class InvariantBroken(PipelineError):
    """A promise that only a defect can break is broken; the worker must stop."""


class DocumentUnreadable(PipelineError):
    """This text is no economy document; the message says where and why."""


class UserError(PipelineError):
    """What was asked for on the command line can't be done; the message says why and what to do."""
