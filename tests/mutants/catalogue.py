"""All of them, from the request to the ledger."""

from tests.mutants import of_ledger, of_outbox, of_payments, of_sessions

MUTANTS = [*of_sessions.MUTANTS, *of_payments.MUTANTS, *of_outbox.MUTANTS, *of_ledger.MUTANTS]
