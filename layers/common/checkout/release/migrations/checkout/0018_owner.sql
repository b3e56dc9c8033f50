CREATE TABLE checkout_owner (
    only_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_one),
    app_id   TEXT NOT NULL
);
COMMENT ON TABLE checkout_owner IS
    'CHECKOUT_APP_ID of the one stack that works on these tables: every reconciler emits all uncredited payments in them.';
