"""What goes wrong in a view, as `application/problem+json` (RFC 9457) with a stable type."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from pipeline.logs import get_logger

log = get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:plaudit:problem:"
# A rebalance or a recovery is looked at again after a second; asking more often only slows it down.
RETRY_AFTER_S = 1

_CODES = {404: "no-such-route", 405: "method-not-allowed", 413: "request-too-large"}


class Problem(Exception):  # named by what it is; it becomes an answer, not a failure
    """An answer that is not what was asked for. `code` is the stable end of its type, `more` are further members."""

    def __init__(self, status: int, code: str, detail: str, more: Mapping[str, object] | None = None) -> None:
        """`detail` says to people what is wrong and what to do."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.more = dict(more or {})

    def response(self) -> web.Response:
        """Return the problem as an answer; one that passes by itself says when to ask again."""
        body: dict[str, object] = {
            "type": TYPE_PREFIX + self.code,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        headers = {"Retry-After": str(RETRY_AFTER_S)} if self.status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return web.Response(
            body=msgspec.json.encode(body | self.more), status=self.status, content_type=CONTENT_TYPE, headers=headers
        )


def invalid(parameter: str, detail: str) -> Problem:
    """Return the problem of a parameter that can't be used."""
    return Problem(HTTPStatus.BAD_REQUEST, "invalid-parameter", f"{parameter}: {detail}", {"parameter": parameter})


def unavailable(code: str, detail: str, more: Mapping[str, object] | None = None) -> Problem:
    """Return the problem of something that can't be answered now, but will be later."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, more)


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn whatever a view raises into a problem; a defect of ours into one that tells nothing about our insides."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        response = Problem(error.status, _CODES.get(error.status, "bad-request"), error.reason).response()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:  # the one place where a view's defect ends
        log.exception("a web view failed", route=str(request.match_info.route.resource))
        return Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "defect", "this is a defect of Plaudit; see its log"
        ).response()
