"""What a profile shows of rewards: what the actor redeemed, the latest last."""

from rules.badge_view import shown_instant
from rules.game import Reward
from rules.names import name_in
from rules.profile import Redemption


def show_redemption(redemption: Redemption, reward: Reward | None, locale: object, now_us: int) -> dict[str, object]:
    """Return a redemption as profiles show it at an instant; `reward` is None once the economy has it no more.

    `locale` is the actor's attribute, None without it.
    """
    names = {} if reward is None else reward.name
    expires_us = redemption.expires_us
    expired = redemption.state == "active" and expires_us is not None and now_us >= expires_us
    return {
        "reward": redemption.reward,
        "name": names,
        "title": name_in(names, locale, redemption.reward),
        "redemption": redemption.id,
        "status": "expired" if expired else redemption.state,
        "cost": redemption.cost,
        "redeemed_at": shown_instant(redemption.at_us),
        "expires_at": None if expires_us is None else shown_instant(expires_us),
    }
