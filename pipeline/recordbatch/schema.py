"""A Faust schema that hands runs over as they are: the stage's core decodes them, one by one or all at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust


class RoundSchema(faust.Schema):
    """Makes a message whose value is a round of runs into an event, without Faust's codecs."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        """Return Faust's decode function for a topic."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            return create_event(None, message.value, message.headers, message)

        return decode
