-- stripe_events_unhandled and stripe_events_of_another_app hold what any release looks for among the ignored events.
DROP INDEX stripe_events_without_a_handler;
