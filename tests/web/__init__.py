"""The web views of workers, on a real Faust app and its server, with state in memory."""
