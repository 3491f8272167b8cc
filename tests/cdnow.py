"""A real history: what 23,570 customers of the music shop CDNOW bought, as the package `lifetimes` carries it."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

PURCHASES = 69_659
CUSTOMERS = 23_570

# For `plaudit import csv`, with the columns that `write_csv` writes.
MAPPING = (
    "actor=customer",
    "type==purchase.completed",
    "time=day:%Y%m%d",
    "data.amount_cents=price:cents",
    "data.discs=discs:int",
)


class Purchase(NamedTuple):
    """One line of the file. `day` is written as `19970112`; the amount is in cents, exactly."""

    customer: str
    day: str
    discs: int
    amount_cents: int


def purchases() -> Iterator[Purchase]:
    """Yield all purchases, in the order of the file. The package is not imported: it wants a pandas of its time."""
    path = Path(str(distribution("lifetimes").locate_file("lifetimes/datasets/CDNOW_master.txt")))
    with path.open(encoding="ascii") as lines:
        next(lines)  # the names of the columns
        for line in lines:
            customer, day, discs, price = line.split()
            yield Purchase(customer, day, int(discs), int(Decimal(price) * 100))


def write_csv(path: Path) -> None:
    """Write the purchases as a file that `plaudit import csv` reads with `MAPPING`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["customer", "day", "discs", "price"])
        for customer, day, discs, cents in purchases():
            rows.writerow([customer, day, discs, f"{cents // 100}.{cents % 100:02}"])


def import_arguments(path: Path) -> list[str]:
    """Return the arguments of `plaudit import` for a file that `write_csv` wrote; the tenant is the caller's to add."""
    return ["csv", str(path), *(argument for target in MAPPING for argument in ("--map", target))]
