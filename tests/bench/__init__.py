"""The bench's own logic: its model, its pieces, its schedule, and that a wrong result is refused."""
