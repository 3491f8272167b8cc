"""One module per changelog-backed table: its name, key, value and fold."""
