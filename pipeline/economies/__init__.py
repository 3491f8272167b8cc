"""The published economies of all tenants: read from the log, followed, and added to."""
