"""The ledger in PostgreSQL: its schema, the sink that appends to it, the queries that read it, and its verification."""
