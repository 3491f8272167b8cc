"""One module or package per destination outside the log."""
