"""Asking the workers of a stage over their web views, from outside the log."""

import http.client
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pipeline.errors import TransientError, UserError

# A worker answers from memory; one that takes longer is stuck.
_TIMEOUT_S = 10.0


class WorkersClient:
    """Some workers of one stage, of which any answers for all partitions."""

    def __init__(self, stage: str, addresses: str) -> None:
        """Ask the workers of `stage` at `addresses`: base URLs, separated by commas.

        Raises:
            UserError: an address is no such URL.
        """
        self._stage = stage
        self._addresses = [address.strip().rstrip("/") for address in addresses.split(",") if address.strip()]
        if not self._addresses:
            raise UserError(f"{_variable(stage)} is empty: where do the {stage} workers listen?")
        for address in self._addresses:
            _host(stage, address)

    def get(self, parts: Sequence[str], query: Mapping[str, str]) -> Any:
        """Return the JSON that a view answers; `parts` are the path's parts, as they are, unencoded.

        Raises:
            UserError: the view refuses; with what it says.
            TransientError: no worker answers, or none can at present.
        """
        return self._any(parts, query, "GET", None)

    def post(self, parts: Sequence[str], query: Mapping[str, str], content: Any) -> Any:
        """Do the same with a question that has `content`, as JSON.

        Raises:
            UserError: the view refuses; with what it says.
            TransientError: no worker answers, or none can at present.
        """
        return self._any(parts, query, "POST", json.dumps(content).encode())

    def _any(self, parts: Sequence[str], query: Mapping[str, str], method: str, content: bytes | None) -> Any:
        # Dots are encoded too: `..` is a possible actor, not a step up.
        path = "/" + "/".join(quote(part, safe="").replace(".", "%2E") for part in parts)
        path += f"?{urlencode(query)}" if query else ""
        reasons = []
        for address in self._addresses:
            try:
                status, body = self._ask(address, path, method, content)
                answer = json.loads(body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reasons.append(f"{address}: {str(error) or type(error).__name__}")
                continue
            if status == HTTPStatus.OK:
                return answer
            detail = str(answer.get("detail", status)) if isinstance(answer, dict) else str(status)
            if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise UserError(detail)
            reasons.append(f"{address}: {detail}")
        hint = f"is {_variable(self._stage)} right?"
        raise TransientError(f"no {self._stage} worker answers ({'; '.join(reasons)}); {hint}")

    def _ask(self, address: str, path: str, method: str, content: bytes | None) -> tuple[int, bytes]:
        connection = _host(self._stage, address)
        try:
            connection.request(method, urlsplit(address).path + path, content)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _host(stage: str, address: str) -> http.client.HTTPConnection:
    kinds: dict[str, type[http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    try:
        parts = urlsplit(address)
        return kinds[parts.scheme](parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    except (KeyError, ValueError, http.client.InvalidURL):
        raise UserError(f"{_variable(stage)}: {address!r} is no URL such as http://127.0.0.1:6065") from None


def _variable(stage: str) -> str:
    return f"PLAUDIT_WEB_{stage.upper()}"
