"""What `plaudit demo` shows: an economy for the history of a git repository."""
