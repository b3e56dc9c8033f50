"""One module for each family of verbs: its arguments, what it announces, what it does.

A module here is found by being here. It has `declare(verbs: Verbs) -> None`.
"""
