"""`reread`: apply what Stripe has now."""

from argparse import Namespace
from dataclasses import asdict

from checkout.operations.verb import BY_DECISION, Outcome, Verbs, a_text
from checkout.system import System


def declare(verbs: Verbs) -> None:
    verbs.add(
        "reread",
        "apply a refund, a dispute, or all those of a payment intent, as Stripe has them now",
        reread,
        plan,
        BY_DECISION,
    ).add_argument("id", type=a_text, help="re_…, pyr_…, du_…, dp_… or pi_…")


def plan(given: Namespace, _: System) -> str:
    return f"Apply {given.id} as Stripe has it now"


def reread(given: Namespace, system: System) -> Outcome:
    done = system.stripe_events.reread(given.id)
    return Outcome({"reread": given.id, **asdict(done)}, clean=done.outcome == "applied")
