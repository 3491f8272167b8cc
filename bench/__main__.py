"""`make bench` and `make bench-full`: one workload with its model, the product and its peers, or each stage alone."""

import argparse

from bench import full, quick, stages


def main() -> None:
    """Run the chosen bench; exit with 1 if a result differs from the model's."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for module in (quick, full, stages):
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, help=str(module.__doc__).splitlines()[0])
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args()
    if not arguments.run(arguments):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
