COMMENT ON COLUMN checkout_transactions.stripe_parameters IS
    'What Stripe is asked, sent again unchanged with the same idempotency key (customer_email goes when that is over); null where a webhook made the row, or our rules refused it.';
CREATE INDEX checkout_transactions_with_email ON checkout_transactions (updated_at)
    WHERE stripe_parameters ? 'customer_email';
