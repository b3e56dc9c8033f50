"""All of them, from the request to the ledger, and what looks after both."""

from tests.mutants import (
    of_access,
    of_alarms,
    of_crediting,
    of_defects,
    of_evidence,
    of_guards,
    of_incidents,
    of_ledger,
    of_operators,
    of_outbox,
    of_payments,
    of_reconciler,
    of_release,
    of_restore,
    of_sessions,
    of_verification,
)

_OF_THE_CODE = [
    *of_access.MUTANTS,
    *of_sessions.MUTANTS,
    *of_payments.MUTANTS,
    *of_evidence.MUTANTS,
    *of_outbox.MUTANTS,
    *of_crediting.MUTANTS,
    *of_ledger.MUTANTS,
    *of_reconciler.MUTANTS,
    *of_restore.MUTANTS,
    *of_release.MUTANTS,
    *of_verification.MUTANTS,
    *of_operators.MUTANTS,
    *of_guards.MUTANTS,
    *of_defects.MUTANTS,
    *of_alarms.MUTANTS,
]

MUTANTS = [*_OF_THE_CODE, *of_incidents.mutants(_OF_THE_CODE)]
