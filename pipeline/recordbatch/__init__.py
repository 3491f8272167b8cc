"""Record batches for Faust: one event is one run of records of one partition. Nothing else knows Faust's internals."""
