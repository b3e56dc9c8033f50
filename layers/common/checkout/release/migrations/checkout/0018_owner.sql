CREATE TABLE checkout_owner (
    only_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_one),
    app_id   TEXT NOT NULL,
    currency TEXT NOT NULL
);
COMMENT ON TABLE checkout_owner IS
    'CHECKOUT_APP_ID of the one stack that works on these tables, since every reconciler emits all uncredited payments in them; and its BALANCE_CURRENCY, since amounts stay what they are.';
