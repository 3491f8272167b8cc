"""Record batches for Faust: one Faust event is one run of records of one partition. The only code that knows Faust's internals."""
