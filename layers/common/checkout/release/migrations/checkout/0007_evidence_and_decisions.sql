ALTER TABLE checkout_transactions ADD COLUMN paid_read_at TIMESTAMPTZ;
COMMENT ON COLUMN checkout_transactions.paid_read_at IS
    'When Stripe, asked, said that it is paid; null where the signed event (paid_event_id) is the only evidence.';

ALTER TABLE reversals ADD COLUMN dispute_id TEXT;
COMMENT ON COLUMN reversals.dispute_id IS
    'The dispute that source_id is a balance transaction of; null of a refund, and of what an earlier release stored.';

CREATE TABLE discarded_reversals (
    object_id         TEXT PRIMARY KEY,
    payment_intent_id TEXT,
    event_id          TEXT NOT NULL,
    reason            TEXT NOT NULL,
    discarded_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);
COMMENT ON TABLE discarded_reversals IS
    'Refunds and disputes (Stripe''s ids) of which an operator has decided that nothing acts any more.';
COMMENT ON COLUMN discarded_reversals.event_id IS 'The event that was discarded; to replay it takes the decision back.';

ALTER TABLE stripe_events ADD COLUMN app_id TEXT;
COMMENT ON COLUMN stripe_events.app_id IS
    'The checkout_app of an event that was ignored as another application''s: tried again if that is ours after all.';
CREATE INDEX stripe_events_of_another_app ON stripe_events (app_id) WHERE outcome = 'ignored' AND app_id IS NOT NULL;
-- Those of other applications, which may be most of the table, are not in it.
CREATE INDEX stripe_events_unhandled ON stripe_events (type)
    WHERE outcome = 'ignored' AND reason = 'a type that nothing here depends on';
