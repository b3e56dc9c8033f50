"""Sessions that were begun elsewhere: by a service, by another application, or by Stripe; and free ones."""

from simulation import people
from simulation.server import APP_ID
from simulation.stripe_model import oddities
from simulation.stripe_model.account import EXPIRED
from simulation.wanted import Request
from simulation.world import CURRENCY, TOP_UP, USERS, World


def pay_elsewhere(world: World) -> None:
    """A session with our metadata that was not begun here, of a request that may be known, and rarely in
    another currency than that of the balances."""
    terms = world.swarm.terms
    # What is promised to a known request counts, and not what its metadata says.
    request = people.some_request(world, again=0.5 if terms.is_plain else 0.0)
    if request is None:
        return
    currency = "usd" if world.tape.chance(0.2) else CURRENCY
    amount = world.tape.pick(people.AMOUNTS) if terms.is_plain else request.amount
    user_id = world.tape.pick(USERS) if world.tape.chance(0.2) else request.user_id
    session_id = pay_session_of(world, request, amount, user_id=user_id, currency=currency)
    if world.tape.chance(0.1):
        # Its id differs in case alone.
        twin = f"cs_test_{session_id.removeprefix('cs_test_').upper()}"
        pay_session_of(world, request, amount, user_id=user_id, currency=currency, session_id=twin)


def get_for_nothing(world: World) -> None:
    """A session of his own, or one that was not begun here."""
    if world.has_release_before:
        return  # It holds them.
    open_ = people.open_sessions(world)
    if open_ and world.tape.chance(0.7):
        session_id = world.tape.pick(open_)
        oddities.give(world.account, session_id)
        world.say(f"{session_id} is free")
        return
    request = people.some_request(world, again=0.5 if world.swarm.terms.is_plain else 0.0)
    if request is not None:
        pay_session_of(world, request, request.amount, user_id=request.user_id, is_free=True)


def order(world: World) -> None:
    """What an application sells itself through us: nothing is credited."""
    request = Request(str(world.tape.uuid()), world.tape.pick(USERS), 0)
    pay_session_of(world, request, world.tape.pick(people.AMOUNTS), user_id=request.user_id, purpose="order")


def pay_session_of(
    world: World,
    request: Request,
    amount: int,
    *,
    user_id: int,
    currency: str = CURRENCY,
    purpose: str = TOP_UP,
    session_id: str | None = None,
    is_free: bool = False,
) -> str:
    """One that was not begun here, and is paid, or free. Returns its id."""
    terms = world.swarm.terms
    world.paid_elsewhere.add(request.request_id)
    price = {"currency": currency, "unit_amount": amount}
    metadata = {
        "checkout_app": APP_ID,
        "request_id": request.request_id,
        "user_id": str(user_id),
        "purpose": purpose,
    }
    if not terms.is_plain and purpose == TOP_UP:
        metadata |= {"amount_cents": str(amount), "credit_cents": str(terms.promised(amount))}
    asked = {"line_items": [{"price_data": price, "quantity": 1}], "metadata": metadata}
    made = str(world.account.create_session(asked, session_id)["id"])
    if is_free:
        oddities.give(world.account, made)
    else:
        oddities.tax(world.account, made, terms, world.tape)
        world.account.pay(made, by_debit=world.tape.chance(0.3))
    how = "free" if is_free else f"paid in {currency}"
    world.say(f"{made}, not begun here, is {how} for {people.short(request.request_id)}, {purpose}")
    return made


def recover(world: World) -> None:
    """Stripe makes a new session of one that has expired, and it is paid."""
    ours = world.account.all("checkout.session", status=EXPIRED)
    expired = [one for one in ours if world.account.made_with(one["id"]).get("checkout_app") == APP_ID]
    if expired:
        left = world.tape.pick(expired)
        metadata = world.account.made_with(left["id"])
        world.paid_elsewhere.add(metadata["request_id"])
        recovered = oddities.recover(world.account, left["id"])
        oddities.tax(world.account, recovered, world.swarm.terms, world.tape)
        world.account.pay(recovered, by_debit=world.tape.chance(0.3))
        world.say(f"{recovered} is recovered from {left['id']}, and paid")


def foreign_payment(world: World) -> None:
    """Of another application on the same account. None of it is ours."""
    price = {"currency": CURRENCY, "unit_amount": world.tape.pick(people.AMOUNTS)}
    metadata = {"checkout_app": "another", "request_id": "r", "user_id": "1", "purpose": TOP_UP}
    asked = {"line_items": [{"price_data": price, "quantity": 1}], "metadata": metadata}
    session = world.account.create_session(asked)
    world.account.pay(session["id"], by_debit=world.tape.chance(0.3))
    world.say(f"{session['id']} of another application is paid")
