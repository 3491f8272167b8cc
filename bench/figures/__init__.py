"""The figures of `make bench-full`: each module measures one, as data for tables and pictures (`bench.page`)."""
