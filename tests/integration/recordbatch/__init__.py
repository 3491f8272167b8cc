"""Record batches on a real broker."""
