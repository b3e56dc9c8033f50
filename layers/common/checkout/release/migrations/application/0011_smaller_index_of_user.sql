-- Equal keys share an entry of the index, so it is a quarter as large, and a batch of credits changes fewer pages of it.
-- No query reads a user's entries in the order of their ids without sorting the few that it has found.
DROP INDEX ledger_entries_of_user;
CREATE INDEX ledger_entries_of_user ON ledger_entries (user_id);
