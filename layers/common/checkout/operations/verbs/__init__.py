"""One module for each family of verbs: its arguments, what it announces, what it does.

command.py takes every module of this package, and calls its `declare(verbs: Verbs) -> None`.
"""
