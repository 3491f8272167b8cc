"""The stages and their order of effects, over a world in memory in which everything goes wrong: docs/reliability.md."""
