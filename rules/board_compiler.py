"""Compiles leaderboards and the seasons that they count in."""

from rules import board_schema, schema
from rules.board_windows import Season
from rules.conditions import compile_condition
from rules.economy import Board
from rules.instants import after_us, before_us
from rules.periods import date_of_day, seconds_of
from rules.scores import compile_split
from rules.zones import zone_named


def compile_boards(document: schema.EconomyDocument) -> dict[str, Board]:
    """Return the leaderboards of a validated document by their ids, in its order."""
    zone = zone_named(document.timezone)
    seasons = tuple(
        Season(each.id, after_us(each.from_), before_us(each.until), date_of_day(zone.day(seconds_of(each.from_))))
        for each in document.seasons
    )
    return {each.id: _board(each, seasons) for each in document.leaderboards}


def _board(board: board_schema.Leaderboard, seasons: tuple[Season, ...]) -> Board:
    count = board.count
    return Board(
        id=board.id,
        currency=board.currency,
        window=board.window,
        tie=board.tie,
        split=None if board.split is None else compile_split(board.split),
        on=() if count is None else count.on,
        when=None if count is None or count.when is None else compile_condition(count.when),
        seasons=seasons if board.window == "season" else (),
        personal_best=board.personal_best,
    )
