"""The operators' console: one page on the operator's own machine, for the verbs of the operations.

It is a server on loopback and a client of OperationsFunction, so it exposes nothing that was not there. It is
the only room that runs on a person's machine alone.
"""
