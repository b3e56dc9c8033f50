ALTER TABLE ledger_entries
    ADD COLUMN reason   TEXT,
    ADD COLUMN operator TEXT;
COMMENT ON COLUMN ledger_entries.reason IS 'Why, in the words of whoever moved the balance; null for payments.';
COMMENT ON COLUMN ledger_entries.operator IS 'Who adjusted the balance by hand; null for everything else.';

-- The one way for an application to move a balance. `amount_cents` is signed: a debit is negative.
--
-- Returns true where the movement was entered now, false where this effect key was entered before with the same
-- user, amount and currency: then nothing changes. Raises, with nothing changed:
--   23505 unique_violation        the effect key stands for another user, amount or currency
--   23514 check_violation         the balance is too small for this debit, and an overdraft is not allowed
--   23503 foreign_key_violation   there is no such user
--   22023 invalid_parameter_value an argument that can never be right
--
-- It locks the row of the user until the caller's transaction ends. Whoever moves several balances in one
-- transaction does so in the order of the user ids.
CREATE FUNCTION ledger_move(
    effect_key      TEXT,
    user_id         USER_ID_PARAMETER,
    amount_cents    BIGINT,
    currency        TEXT,
    kind            TEXT,
    allow_overdraft BOOLEAN DEFAULT false,
    request_id      TEXT DEFAULT NULL,
    reason          TEXT DEFAULT NULL,
    operator        TEXT DEFAULT NULL
) RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    payment_kinds CONSTANT TEXT[] := ARRAY['success', 'refunded', 'refund_failed', 'disputed', 'dispute_won'];
    available BIGINT;
    known     ledger_entries;
BEGIN
    IF COALESCE(effect_key, '') = '' OR char_length(effect_key) > 255 OR COALESCE(kind, '') = ''
       OR COALESCE(amount_cents, 0) = 0 OR (currency ~ '^[a-z]{3}$') IS NOT TRUE THEN
        RAISE EXCEPTION 'ledger_move needs an effect key, a user, an amount other than 0, a currency in lower case '
            'and a kind' USING ERRCODE = 'invalid_parameter_value';
    ELSIF split_part(effect_key, ':', 1) = ANY (payment_kinds) OR kind = ANY (payment_kinds) THEN
        RAISE EXCEPTION 'effect keys and kinds of payments are entered by their consumer alone'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT balance INTO available FROM users WHERE id = ledger_move.user_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no user %', user_id USING ERRCODE = 'foreign_key_violation';
    END IF;

    -- Looked up under the lock, and before the balance: a debit that emptied it is not refused when it comes again.
    SELECT * INTO known FROM ledger_entries entry WHERE entry.effect_key = ledger_move.effect_key;
    IF FOUND THEN
        IF (known.user_id, known.amount_cents, known.currency) = (user_id, amount_cents, currency) THEN
            RETURN false;
        END IF;
        RAISE EXCEPTION 'effect key % stands for another user, amount or currency', effect_key
            USING ERRCODE = 'unique_violation';
    END IF;

    IF amount_cents < 0 AND NOT COALESCE(allow_overdraft, false) AND available + amount_cents < 0 THEN
        RAISE EXCEPTION 'a balance of % is too small for a debit of %', available, -amount_cents
            USING ERRCODE = 'check_violation';
    END IF;

    -- Where another user's movement with this key commits at this moment, the constraint says so.
    INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id, reason, operator)
        VALUES (effect_key, user_id, amount_cents, currency, kind, request_id, reason, operator);
    UPDATE users SET balance = balance + ledger_move.amount_cents WHERE id = ledger_move.user_id;
    RETURN true;
END $$;
COMMENT ON FUNCTION ledger_move IS
    'Moves a balance once per effect key: true = now, false = before. Refuses to overdraw unless told otherwise.';

-- It runs with its owner's rights, so that an application needs none on the ledger: it is granted EXECUTE, by hand.
-- Its tables are those of this schema, whatever the caller's path or temporary tables say.
REVOKE EXECUTE ON FUNCTION ledger_move FROM PUBLIC;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION ledger_move SET search_path = %I, pg_temp', current_schema());
END $$;
