-- In both databases, so that the restore of one does not lose it; both can be one database.
CREATE TABLE IF NOT EXISTS operator_journal (
    act_id     UUID NOT NULL,
    step       TEXT NOT NULL CHECK (step IN ('begun', 'done', 'refused', 'failed')),
    at         TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    operator   TEXT CHECK (operator <> ''),
    identity   TEXT,
    invocation TEXT,
    verb       TEXT NOT NULL,
    arguments  JSON NOT NULL,
    details    JSON NOT NULL,
    PRIMARY KEY (act_id, step)
);
COMMENT ON TABLE operator_journal IS
    'What a person had the operations do: a row before anything changes, and a row that says how it ended.';
COMMENT ON COLUMN operator_journal.operator IS 'Who decided it, as the caller says.';
COMMENT ON COLUMN operator_journal.identity IS 'The ARN of the caller, as AWS says; null if AWS was not asked.';
COMMENT ON COLUMN operator_journal.invocation IS
    'Lambda''s request id: CloudTrail''s data event of that id says who invoked the function.';
COMMENT ON COLUMN operator_journal.details IS
    'What was about to change; in the row of the end what has changed, or why nothing has.';
CREATE INDEX IF NOT EXISTS operator_journal_in_time ON operator_journal (at);

CREATE OR REPLACE FUNCTION refuse_journal_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE TRIGGER operator_journal_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_journal_change();
