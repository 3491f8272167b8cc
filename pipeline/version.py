"""The release, stated once: the package metadata and `plaudit --version` read it here."""

VERSION = "0.1.0"
