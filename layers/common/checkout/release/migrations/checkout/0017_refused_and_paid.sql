ALTER TABLE checkout_transactions ADD COLUMN refused_because TEXT;
COMMENT ON COLUMN checkout_transactions.refused_because IS
    'Why the request was refused for good, of a row that an event of a session made elsewhere has moved since; its answer stays that.';
