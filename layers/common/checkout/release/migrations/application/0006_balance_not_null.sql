-- Contracts: no release ever wrote NULL into users.balance; an application that inserts one leaves the column out.
-- An application's own column may be nullable: then a debit was never too small for it, and a credit left it NULL.
UPDATE users
    SET balance = (SELECT COALESCE(sum(amount_cents), 0) FROM ledger_entries WHERE user_id = users.id)
    WHERE balance IS NULL;
ALTER TABLE users
    ALTER COLUMN balance SET DEFAULT 0,
    ALTER COLUMN balance SET NOT NULL;
