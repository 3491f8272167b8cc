"""Unit tests of `pipeline.recordbatch`."""
