"""HTTP: the web views of workers."""
