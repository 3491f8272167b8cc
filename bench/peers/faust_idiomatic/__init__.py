"""Idiomatic Faust: what its tutorial leads to."""
