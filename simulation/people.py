"""What users and their banks do."""

from simulation import asking
from simulation.kafka import REQUESTS
from simulation.stripe_model import disputes, oddities
from simulation.stripe_model.account import OPEN
from simulation.wanted import Request
from simulation.world import USERS, World

AMOUNTS = (500, 500, 700, 1000, 50, 999_999)


def sign_up(world: World) -> None:
    """Sooner or later; a user whom a restore has taken away comes back under the old number."""
    user_id = world.tape.pick(USERS)
    enter_user(world, user_id)


def enter_user(world: World, user_id: int) -> None:
    world.application.as_application("INSERT INTO users (id) VALUES (%s) ON CONFLICT DO NOTHING", [user_id])
    if user_id not in world.signed_up:
        world.signed_up.append(user_id)
        world.say(f"user {user_id} signs up")


def ask(world: World) -> None:
    """For a new session, or again; rarely under the request_id of somebody else."""
    request = some_request(world, again=0.4)
    if request is not None:
        asking.ask_for(world, request)


def ask_through_kafka(world: World) -> None:
    request = some_request(world, again=0.4)
    if request is not None:
        value = (
            f'{{"request_id":"{request.request_id}","user_id":{request.user_id},'
            f'"amount_cents":{request.amount},"timestamp":"2026-09-21T12:00:00Z"}}'
        )
        world.topics[REQUESTS].append(str(request.user_id), value.encode())
        world.say(f"a service asks for user {request.user_id} ({short(request.request_id)})")


def pay(world: World) -> None:
    open_ = open_sessions(world)
    if open_:
        session_id, by_debit = world.tape.pick(open_), world.tape.chance(0.4)
        if world.tape.chance(0.05):
            oddities.reprice(world.account, session_id, world.tape.pick(AMOUNTS))
        oddities.tax(world.account, session_id, world.swarm.terms, world.tape)
        world.account.pay(session_id, by_debit=by_debit)
        world.say(f"{session_id} is paid{' by debit' if by_debit else ''}")


def open_sessions(world: World) -> list[str]:
    """Of known requests those that can be paid."""
    known = [session for request in world.requests for session in request.sessions]
    return [one for one in known if world.account.now(one)["status"] == OPEN]


def unmark(world: World) -> None:
    """Somebody changes the metadata of a session that was begun here. It is ours by its row, which no restore
    may take away."""
    begun = [session for request in world.requests for session in request.sessions]
    marked = [one for one in begun if "checkout_app" in world.account.now(one)["metadata"]]
    if marked and "restore" not in world.swarm.weights and not world.has_release_before:
        session_id = world.tape.pick(marked)
        oddities.unmark(world.account, session_id, "checkout_app")
        world.say(f"{session_id} loses its checkout_app")


def expire(world: World) -> None:
    """Somebody does not pay."""
    open_ = world.account.all("checkout.session", status=OPEN)
    if open_:
        session_id = world.tape.pick(open_)["id"]
        world.account.expire(session_id)
        world.say(f"{session_id} expires")


def end_debit(world: World) -> None:
    pending = world.account.all("charge", status="pending")
    if pending:
        charge, settles = world.tape.pick(pending), world.tape.chance(0.7)
        world.account.end_debit(charge["id"], settles=settles)
        world.say(f"the debit of {charge['payment_intent']} {'settles' if settles else 'fails'}")


def refund(world: World) -> None:
    account = world.account
    paid = [one for one in account.all("charge", status="succeeded") if account.left_to_refund(one)]
    if paid:
        begun = [one for one in paid if one["amount_refunded"]]
        charge = world.tape.pick(begun if begun and world.tape.chance(0.5) else paid)
        left = account.left_to_refund(charge)
        # A cent or two are often a share of nothing.
        most = left if world.swarm.terms.is_plain or world.tape.chance(0.6) else min(left, 3)
        amount = left if world.tape.chance(0.3) else world.tape.number(1, most)
        status = world.tape.pick(("succeeded", "succeeded", "pending"))
        account.refund(charge["id"], amount, status)
        world.say(f"{amount} of {charge['payment_intent']} are refunded, {status}")


def move_refund(world: World) -> None:
    refunds = world.account.all("refund")
    movable = [one for one in refunds if one["status"] in ("pending", "succeeded")]
    if movable:
        moved = world.tape.pick(movable)
        becomes = ("failed",) if moved["status"] == "succeeded" else ("succeeded", "failed", "canceled")
        status = world.tape.pick(becomes)
        world.account.move_refund(moved["id"], status)
        world.say(f"{moved['id']} is {status}")


def dispute(world: World) -> None:
    paid = world.account.all("charge", status="succeeded")
    free = [one for one in paid if not world.account.all("dispute", charge=one["id"])]
    if free:
        charge = world.tape.pick(free)
        if world.tape.chance(0.3):
            oddities.warn(world.account, charge)
        disputes.begin(world.account, charge["id"])
        world.say(f"{charge['payment_intent']} is disputed")


def move_dispute(world: World) -> None:
    """Its money is taken, given back, taken again; in the end it is closed."""
    going = world.account.all("dispute", status="needs_response")
    if not going:
        return
    moved = world.tape.pick(going)
    movements = moved["balance_transactions"]
    taken = disputes.taken_by(world.account, moved)
    is_taken = taken > 0
    if movements and (len(movements) > 4 or world.tape.chance(0.3)):
        refunded = world.account.now(moved["charge"])["amount_refunded"] if is_taken else 0
        returned = min(refunded, taken) if refunded and world.tape.chance(0.7) else 0
        disputes.close(world.account, moved["id"], "lost" if is_taken else "won", returned=returned)
        world.say(f"{moved['id']} is closed{f', and {returned} are returned' if returned else ''}")
    else:
        in_part = is_taken and world.tape.chance(0.25)
        disputes.move(world.account, moved["id"], withdrawn=not is_taken, in_part=in_part)
        world.say(f"{moved['id']}: {'returned' if is_taken else 'withdrawn'}")


def new_request(world: World) -> Request:
    request_id = str(world.tape.uuid())
    world.requests.append(Request(request_id, world.tape.pick(USERS), world.tape.pick(AMOUNTS)))
    return world.requests[-1]


def some_request(world: World, *, again: float) -> Request | None:
    if world.requests and world.tape.chance(again):
        return world.tape.pick(world.requests)
    if world.requests and world.tape.chance(0.05):
        known = world.tape.pick(world.requests)
        claimed = Request(known.request_id, world.tape.pick(USERS), known.amount)
        world.requests.append(claimed)
        return claimed
    request = new_request(world)
    if world.tape.chance(0.03):
        # Stripe cuts it off.
        request.request_id += " "
    return request


def short(request_id: str) -> str:
    return request_id[:8]
