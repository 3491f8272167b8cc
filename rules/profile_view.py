"""A profile as it is shown: the stored state of an actor, read by the economy in force at the time of reading."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from rules.badge_view import recommended, show_badges, show_progress, shown_instant
from rules.economy import Economy, Levels
from rules.profile import NO_GAME, Game, Profile
from rules.quest_view import show_quest
from rules.reward_view import show_redemption
from rules.streak_view import show_streak
from rules.work import actor_zone

_MILLIS: Final = 1_000
_MICROS: Final = 1_000


def show_profile(profile: Profile, economy: Economy, now_ms: int) -> dict[str, object]:
    """Return what an actor has at an instant (milliseconds since the epoch), under the names of the interface."""
    seconds = now_ms // _MILLIS
    zone = actor_zone(profile.attributes, economy.zone)
    locale = profile.attributes.get("locale")
    shown: dict[str, object] = {
        "balances": dict(sorted(profile.balances.items())),
        "level": None if economy.levels is None else _level(profile, economy.levels),
    }
    game = economy.game
    streaks = {} if game is None else game.streaks
    shown["streaks"] = {name: show_streak(streak, profile, seconds, zone) for name, streak in streaks.items()}
    if game is not None and game.badges:
        held = _Held(profile.balances, profile.level, profile.game or NO_GAME)
        shown["badges"] = show_badges(game, held, locale)
        shown["progress"] = show_progress(game, held, locale)
        shown["recommended"] = recommended(game, held)
    else:
        shown |= {"badges": [], "progress": {}, "recommended": []}
    quests = {} if game is None else game.quests
    begun = {} if profile.game is None else profile.game.quests
    shown["quests"] = {name: show_quest(quest, begun.get(name), now_ms * _MICROS) for name, quest in quests.items()}
    flags = {} if profile.game is None else profile.game.flags
    shown["flags"] = [
        {"abuse": name, "times": flag.times, "last_at": shown_instant(flag.at_us)} for name, flag in flags.items()
    ]
    rewards = {} if game is None else game.rewards
    redemptions = () if profile.game is None else profile.game.redemptions
    shown["rewards"] = [
        show_redemption(each, rewards.get(each.reward), locale, now_ms * _MICROS) for each in redemptions
    ]
    shown["attributes"] = profile.attributes
    return shown


class _Held(NamedTuple):
    """What badges are held against."""

    balances: Mapping[str, int]
    level: int
    game: Game


def _level(profile: Profile, levels: Levels) -> dict[str, object]:
    following = levels.thresholds[profile.level : profile.level + 1]
    return {
        "number": profile.level,
        "points": profile.balances.get(levels.currency, 0),
        "next_at": following[0] if following else None,
    }
