"""All of them, from the request to the ledger."""

from tests.mutants import of_outbox, of_sessions

MUTANTS = [*of_sessions.MUTANTS, *of_outbox.MUTANTS]
