"""Revisions of economies: from a document to a record of the log, and from the log to what judges events."""
