"""Tests against real brokers and databases."""
