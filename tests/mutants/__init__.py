"""Mistakes in the money code, each with the test that must catch it. `make mutants` makes them one by one."""
