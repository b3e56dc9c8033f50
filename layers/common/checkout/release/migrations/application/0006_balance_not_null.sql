-- Contracts: no release ever wrote NULL into users.balance; an application that inserts one leaves the column out.
-- An application's own column may be nullable: then a debit was never too small for it, and a credit left it NULL.
-- That of a view was required to be NOT NULL before anything was migrated.
DO $$ BEGIN
    IF (SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = 'users'::regclass) THEN
        UPDATE users
            SET balance = (SELECT COALESCE(sum(amount_cents), 0) FROM ledger_entries WHERE user_id = users.id USER_ID_COLLATION)
            WHERE balance IS NULL;
        -- A table whose deferred triggers have yet to fire cannot be altered.
        SET CONSTRAINTS ALL IMMEDIATE;
        ALTER TABLE users
            ALTER COLUMN balance SET DEFAULT 0,
            ALTER COLUMN balance SET NOT NULL;
    END IF;
END $$;
