"""Histories as events: readers of files and repositories, and the producer that appends what they find."""
