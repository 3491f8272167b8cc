"""Closing seasons: when one is due, what its final standing is, and who writes it down."""
