"""`python -m tests.chaos`: a chaos run of any length, with a report in Markdown."""

import argparse
import logging
import secrets
import sys
from pathlib import Path

from tests.chaos.report import report
from tests.chaos.run import run


def main() -> int:
    """Run once; 0 if the promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="the same seed gives the same schedule; drawn if absent")
    parser.add_argument("--report", type=Path, default=None, help="write the report to this file, too")
    parser.add_argument("--logs", type=Path, default=None, help="copy what servers and workers logged to this folder")
    arguments = parser.parse_args()
    # The clients' complaints about a broker that is away, which is the point.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    result = run(seed, arguments.minutes, arguments.faults, lambda line: print(line, flush=True), arguments.logs)
    text = report(result)
    print(text)
    if arguments.report is not None:
        arguments.report.write_text(text)
    for difference in result.differences:
        print(difference, file=sys.stderr)
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
