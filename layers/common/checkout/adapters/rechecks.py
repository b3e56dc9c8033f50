"""SQL that makes the reconciler look for a payment in the ledger once more."""

from checkout.adapters.postgres import Cursor


def look_again(cursor: Cursor, request_id: str) -> bool:
    """For its reversals, too. False where there is no such succeeded payment."""
    cursor.execute(
        "UPDATE checkout_transactions SET credited_at = NULL, recheck_at = NULL, rechecks = 0"
        " WHERE request_id = %s AND status = 'payment_succeeded'",
        (request_id,),
    )
    found = cursor.rowcount == 1
    cursor.execute(
        "UPDATE reversals SET credited_at = NULL, recheck_at = NULL, rechecks = 0 WHERE payment_intent_id ="
        " (SELECT payment_intent_id FROM checkout_transactions WHERE request_id = %s)",
        (request_id,),
    )
    return found
