"""What a worker says about itself: alive, ready, which partitions it owns, and its metrics."""

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from web.partitions import progress
from web.problems import unavailable
from web.runtime import Runtime


class WorkerViews:
    """`GET /tables`, `/health`, `/ready` and `/metrics`."""

    def __init__(self, runtime: Runtime, registry: CollectorRegistry) -> None:
        """Speak for the worker of `runtime`; `registry` holds its metrics."""
        self._runtime = runtime
        self._registry = registry

    async def tables(self, request: web.Request) -> web.Response:
        """Return the partitions that this worker owns, how far they are recovered, and how far behind."""
        return web.json_response(
            {
                "stage": self._runtime.stage,
                "partitions": self._runtime.partitions(),
                "owned": progress(self._runtime.status()),
            }
        )

    async def health(self, request: web.Request) -> web.Response:
        """Answer as long as the event loop turns."""
        return web.json_response({"status": "alive"})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 only if everything assigned is recovered and everything needed answers.

        Raises:
            Problem: 503 with the reasons.
        """
        reasons = list(self._runtime.unready())
        if reasons:
            raise unavailable("not-ready", "; ".join(reasons), {"reasons": reasons})
        return web.json_response({"status": "ready"})

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the metrics in Prometheus's text format."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
