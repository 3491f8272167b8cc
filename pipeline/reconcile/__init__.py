"""Compares what a running system holds of a tenant: profiles, ledger and leaderboards must say the same."""
