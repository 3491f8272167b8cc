"""Asking the other workers of a stage. One hop: what is asked carries a mark, and who is asked so never asks on."""

from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from yarl import URL

from web.problems import Problem, unavailable

FORWARDED_HEADER = "X-Plaudit-Forwarded"

# Other workers answer from memory. One that takes longer is stuck, and so would be whoever waits for it.
_TIMEOUT_S = 3.0
# More than any answer has: two hundred lines with the longest names.
_ANSWER_BYTES_MAX = 4 << 20


class Reply(NamedTuple):
    """What another worker answered."""

    status: int
    content_type: str
    body: bytes


class Peers:
    """The connections to other workers. Only the URL and the mark are sent: no header of any client goes on."""

    def __init__(self, timeout_s: float = _TIMEOUT_S) -> None:
        """Wait at most `timeout_s` seconds for an answer."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, path: str) -> Reply:
        """Ask for a path, given as it stands in a request line (encoded).

        Raises:
            Problem: the worker does not answer.
        """
        return await self._request("GET", url, path, None)

    async def post(self, url: str, path: str, body: bytes) -> bytes:
        """Send a body; return the body of the answer.

        Raises:
            Problem: the worker does not answer, or does not answer what was asked.
        """
        reply = await self._request("POST", url, path, body)
        if reply.status != HTTPStatus.OK:
            raise unavailable("owner-unavailable", f"the worker at {url} can't answer for its partitions now")
        return reply.body

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(self, method: str, url: str, path: str, body: bytes | None) -> Reply:
        if self._session is None:  # made on the loop that uses it
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        target = URL(url.rstrip("/") + path, encoded=True)
        try:
            async with self._session.request(
                method, target, data=body, headers={FORWARDED_HEADER: "1"}, allow_redirects=False
            ) as response:
                content = await response.content.read(_ANSWER_BYTES_MAX + 1)
                while len(content) <= _ANSWER_BYTES_MAX and (more := await response.content.readany()):
                    content += more
                if len(content) > _ANSWER_BYTES_MAX:
                    raise unavailable("owner-unavailable", f"the worker at {url} answers too much")
                return Reply(response.status, response.content_type, content)
        except Problem:
            raise
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            why = type(error).__name__
            raise unavailable("owner-unavailable", f"the worker at {url} does not answer ({why})") from error
