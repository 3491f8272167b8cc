"""What the tests of `pipeline.recordbatch` share."""
