-- ledger_move of 0005, which notices a trigger of the application that skips the balance's update or changes its amount:
-- else an order would be paid by an entry that took nothing from the balance. The consumer requires the same.
CREATE OR REPLACE FUNCTION ledger_move(
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
    moved     BIGINT;
BEGIN
    IF COALESCE(effect_key, '') = '' OR char_length(effect_key) > 255 OR COALESCE(kind, '') = ''
       OR COALESCE(amount_cents, 0) = 0 OR (currency ~ '^[a-z]{3}$') IS NOT TRUE THEN
        RAISE EXCEPTION 'ledger_move needs an effect key, a user, an amount other than 0, a currency in lower case '
            'and a kind' USING ERRCODE = 'invalid_parameter_value';
    ELSIF split_part(effect_key, ':', 1) = ANY (payment_kinds) OR kind = ANY (payment_kinds) THEN
        RAISE EXCEPTION 'effect keys and kinds of payments are entered by their consumer alone'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT balance INTO available FROM users WHERE id = ledger_move.user_id FOR NO KEY UPDATE;
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
    UPDATE users SET balance = balance + ledger_move.amount_cents WHERE id = ledger_move.user_id
        RETURNING balance INTO moved;
    IF moved IS DISTINCT FROM available + amount_cents THEN
        RAISE EXCEPTION 'the balance did not move by exactly the amount: a trigger or policy on users is in the way'
            USING ERRCODE = 'triggered_data_change_violation';
    END IF;
    RETURN true;
END $$;

-- Replacing it took this away. Owner and grants stay. The application may have `users` in another schema.
DO $$ BEGIN
    EXECUTE (
        SELECT 'ALTER FUNCTION ledger_move SET search_path = '
            || string_agg(quote_ident(nspname), ', ' ORDER BY array_position(current_schemas(false), nspname)) || ', pg_temp'
        FROM pg_namespace WHERE oid IN (
            SELECT relnamespace FROM pg_class WHERE oid IN ('ledger_entries'::regclass, 'users'::regclass)));
END $$;
