"""What all stages share and the wiring: topology, events, settings, the Faust extension, the command line."""
