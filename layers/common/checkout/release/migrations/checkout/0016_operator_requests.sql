CREATE TABLE operator_requests (
    id           TEXT PRIMARY KEY,
    verb         TEXT NOT NULL,
    arguments    JSON NOT NULL,
    operator     TEXT NOT NULL,
    plan         TEXT NOT NULL,
    requested_by TEXT NOT NULL CHECK (requested_by <> ''),
    requested_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    expires_at   TIMESTAMPTZ NOT NULL,
    approved_by  TEXT CHECK (approved_by <> requested_by),
    approved_at  TIMESTAMPTZ,
    done_at      TIMESTAMPTZ
);
COMMENT ON TABLE operator_requests IS
    'What an operator asked for above FOUR_EYES_CENTS; it is carried out when another one has approved it.';
COMMENT ON COLUMN operator_requests.requested_by IS
    'The ARN that AWS says the caller has; the operator''s name where there is no AWS.';
