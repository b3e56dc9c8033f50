"""`triggers`: are both topics read?"""

from argparse import Namespace
from dataclasses import asdict

from checkout.base import timing
from checkout.operations.verb import Outcome, Verbs
from checkout.outbox import administration
from checkout.outbox.triggers import read
from checkout.system import System


def declare(verbs: Verbs) -> None:
    verbs.add("triggers", "publish a record without effect to each topic, until it is committed", triggers)


def triggers(_: Namespace, system: System) -> Outcome:
    """Changes no payment and no balance: probes.py says why. Raises Unavailable."""
    config = system.config
    brokers = administration.options(config, config.kafka_brokers)
    found = read(brokers, config.topic_prefix, config.user_ids.probe, timing.TRIGGER_COMMIT)
    return Outcome(
        {"triggers": [{**asdict(one), "is_past": one.is_past} for one in found]},
        clean=all(one.is_past for one in found),
    )
