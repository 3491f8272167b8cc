"""Broker and database without an installation: real servers from wheels, that never outlive their parent."""
