"""Quix Streams: its stateful API with RocksDB, and a batching sink."""
