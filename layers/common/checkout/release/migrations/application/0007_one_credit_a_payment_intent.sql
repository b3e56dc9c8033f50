-- What an effect key cannot know: after a restore two sessions of one request can come in another order than before,
-- and then their payments have each other's request_id. A second credit of one payment intent is refused, and parked.
CREATE UNIQUE INDEX ledger_entries_one_credit_a_payment_intent ON ledger_entries (payment_intent_id)
    WHERE kind = 'success';
