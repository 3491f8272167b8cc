"""An actor's profile, from the table `profiles`: answered by the worker that owns the actor's partition."""

from urllib.parse import quote

from aiohttp import web

from pipeline.events import actor_key
from pipeline.topology import PROFILES
from rules.profile_view import show_profile
from tables import profiles
from web.economy import PresentEconomies
from web.inputs import actor_of, query_of, tenant_of
from web.partitions import not_mine, owned, owner
from web.peers import FORWARDED_HEADER, Peers
from web.problems import RETRY_AFTER_S, Problem
from web.runtime import Runtime


class ProfileViews:
    """`GET /tables/profiles/{tenant}/{actor}`."""

    def __init__(self, runtime: Runtime, economies: PresentEconomies, peers: Peers) -> None:
        """Answer for the partitions of `runtime`, and ask `peers` about the others."""
        self._runtime = runtime
        self._economies = economies
        self._peers = peers

    async def profile(self, request: web.Request, tenant: str, actor: str) -> web.Response:
        """Return an actor's profile.

        Raises:
            Problem: 404 when no event of the actor was ever applied; 503 while the owner recovers.
        """
        query_of(request, ())
        tenant, actor = tenant_of(tenant), actor_of("actor", actor)
        key = actor_key(tenant, actor)
        partition = self._runtime.partition_for(key)
        if not owned(self._runtime, (partition,)):
            if FORWARDED_HEADER in request.headers:
                raise not_mine((partition,))
            return await self._forwarded(owner(self._runtime, partition), tenant, actor)
        economy = await self._economies.find(tenant)
        try:
            [stored] = self._runtime.view(PROFILES.name, partition).get_many([key])
        except KeyError:
            raise not_mine((partition,)) from None
        if stored is None:
            raise Problem(404, "unknown-actor", f"tenant {tenant!r} has no actor of that name", {"actor": actor})
        profile = profiles.decode(stored)
        shown = show_profile(profile, economy, self._economies.clock())
        # The last event that is in it: its offset in that partition of `events`.
        as_of = {"partition": partition, "seq": profile.seq}
        return web.json_response({"actor": actor, **shown, "as_of": as_of})

    async def _forwarded(self, url: str, tenant: str, actor: str) -> web.Response:
        reply = await self._peers.get(url, profile_path(tenant, actor))
        headers = {"Retry-After": str(RETRY_AFTER_S)} if reply.status == 503 else None
        return web.Response(body=reply.body, status=reply.status, content_type=reply.content_type, headers=headers)


def profile_path(tenant: str, actor: str) -> str:
    """Return the path of a profile. Dots are encoded too: `..` is a possible actor, not a step up."""
    return f"/tables/profiles/{tenant}/{quote(actor, safe='').replace('.', '%2E')}"
