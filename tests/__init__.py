"""The tests of Plaudit; what each folder asks is in `docs/architecture.md`."""
