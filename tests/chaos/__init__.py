"""The chaos run: real servers and workers, killed, stopped, emptied, added and removed while events flow."""
