"""Tests of what holds for the repository itself."""
