ALTER TABLE checkout_transactions
    ADD COLUMN credit_cents   BIGINT CHECK (credit_cents > 0),
    ADD COLUMN tax_cents      BIGINT CHECK (tax_cents >= 0),
    ADD COLUMN discount_cents BIGINT CHECK (discount_cents >= 0),
    DROP CONSTRAINT checkout_transactions_paid_cents_check,
    ADD CONSTRAINT checkout_transactions_paid_cents_check CHECK (paid_cents >= 0);
COMMENT ON COLUMN checkout_transactions.amount_cents IS
    'The price before tax and discount, in minor units.';
COMMENT ON COLUMN checkout_transactions.credit_cents IS
    'What moves the balance once it is paid; null: amount_cents, or of a succeeded row paid_cents, as the release before credited it.';
COMMENT ON COLUMN checkout_transactions.paid_cents IS
    'What was paid, with tax and less the discount, as Stripe''s books have it; 0 if it was free.';

ALTER TABLE reversals ADD COLUMN credit_cents BIGINT CHECK (credit_cents >= 0);
COMMENT ON COLUMN reversals.amount_cents IS 'The money that Stripe took back or returned, in minor units.';
COMMENT ON COLUMN reversals.credit_cents IS
    'What moves the balance, decided when it was first emitted; 0 emits nothing, and null is amount_cents, as in the release before.';
