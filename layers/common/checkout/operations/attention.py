"""Which queues need a person's attention: one sentence and one remedy each. Pure."""

from collections.abc import Mapping, Sequence

from checkout.operations import thresholds

Depth = tuple[int, float]
"""How many, and the age of the oldest in seconds; 0 if there is none."""


def attention(queues: Mapping[str, Depth | None], away: Sequence[str]) -> list[dict[str, str]]:
    """For each problem the queue, a sentence and what to do. Empty if all is well. `waiting` has only the
    events that are stuck."""
    found = [
        {"queue": "", "sentence": f"The {name} is away.", "remedy": "Start it: nothing is lost meanwhile."}
        for name in away
    ]
    for name, (least_seconds, one, several, remedy) in _WATCHED.items():
        depth = queues.get(name)
        if depth is not None and depth[0] and depth[1] >= least_seconds:
            count = "One" if depth[0] == 1 else str(depth[0])
            found.append(
                {
                    "queue": name,
                    "sentence": f"{count} {one if depth[0] == 1 else several}",
                    "remedy": remedy,
                }
            )
    return found


_WATCHED = {
    "outbox": (
        thresholds.OUTBOX_SLOW,
        "message has waited for Kafka for more than a minute.",
        "messages wait for Kafka, the oldest for more than a minute.",
        "Is the broker down? Start it: the relay publishes them (on a `dev` stack on AWS, within an hour).",
    ),
    "held": (
        0,
        "event of Stripe's is held for a decision.",
        "events of Stripe's are held for a decision.",
        "See its reason, remove the cause, and replay it; or discard it.",
    ),
    "waiting": (
        0,
        "event of Stripe's has waited for another one for more than two hours.",
        "events of Stripe's have waited for others for more than two hours.",
        "See its reason: reconcile reads from Stripe what it waits for.",
    ),
    "parked": (
        0,
        "record could not be applied and is parked.",
        "records could not be applied and are parked.",
        "See its reason, remove the cause, and replay it; or discard it.",
    ),
    "uncredited": (
        thresholds.UNCREDITED,
        "payment was not credited within a minute.",
        "payments are not credited, the oldest for more than a minute.",
        "Does the consumer run? reconcile emits again what Kafka has lost.",
    ),
}
"""Queue → the age in seconds from which it needs attention, one, several, and the remedy."""
