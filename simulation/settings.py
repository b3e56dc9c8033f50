"""Settings that change in a running world, and a second stack that was given the same database."""

from dataclasses import replace
from typing import Any

from checkout.base.errors import CheckoutError
from simulation import terms, traffic
from simulation.broken import Broken
from simulation.processes import Died, Environment
from simulation.world import CURRENCY, World

ORIGINS = ("https://pay.example.com", "https://moved.example.com")
OTHER_CURRENCY = "usd"
_OWNER = "SELECT app_id, currency FROM checkout_owner"
_HAS_PAYMENTS = (
    "SELECT 1 AS found FROM checkout_transactions"
    " WHERE status = 'payment_succeeded' AND paid_currency = %s LIMIT 1"
)


def change(world: World) -> None:
    """Where the pages are, or how long a session lasts. What was begun stays as it was."""
    if world.depth:
        return
    if world.tape.chance(0.5):
        world.settings["PUBLIC_ORIGIN"] = world.tape.pick(ORIGINS)
    elif not world.has_release_before:
        minutes = world.tape.pick((None, terms.SHORT.session_minutes))
        world.swarm = replace(world.swarm, terms=replace(world.swarm.terms, session_minutes=minutes))
    world.processes.replace()
    world.say(f"settings: {world.settings}, sessions of {world.swarm.terms.session_minutes} minutes")


def mistake_app_id(world: World) -> None:
    """CHECKOUT_APP_ID is wrong for a while, in which webhooks come."""
    if world.depth or world.has_release_before:
        return
    world.settings["CHECKOUT_APP_ID"] = "wrong"
    world.processes.replace()
    world.say("CHECKOUT_APP_ID is wrong")
    for _ in range(world.tape.number(1, 3)):
        traffic.deliver(world)
    del world.settings["CHECKOUT_APP_ID"]
    world.processes.replace()
    world.say("CHECKOUT_APP_ID is right")


def deploy_another_stack(world: World) -> None:
    """It has another CHECKOUT_APP_ID, or once something was paid another currency: its deployment begins with
    its migration, which is refused and changes nothing."""
    if world.depth or world.has_release_before:
        return
    settings = {"CHECKOUT_APP_ID": "another"}
    if world.checkout.rows(_HAS_PAYMENTS, [CURRENCY]) and world.tape.chance(0.5):
        settings = {"BALANCE_CURRENCY": OTHER_CURRENCY}
    before = world.checkout.rows(_OWNER)
    environment = Environment(world, settings)
    found: Any = world.processes.run_in(environment, lambda system: system.migrate())
    world.say(f"another stack migrates: {settings} → {found!r}")
    environment.end()
    if not isinstance(found, CheckoutError | Died):
        raise Broken("another stack is refused", f"{settings}: {found}")
    if world.checkout.rows(_OWNER) != before:
        raise Broken("another stack changes nothing", f"{settings}")
    world.ran()
