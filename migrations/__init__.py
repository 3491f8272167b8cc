"""Alembic's scripts for the ledger's schema; run by `plaudit db upgrade` from the installed package."""
