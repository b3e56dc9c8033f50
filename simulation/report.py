"""What is printed: progress, a summary, and a world in which a rule was broken."""

from collections import Counter
from collections.abc import Sequence

from simulation.running import Result
from simulation.stripe_model.account import Resource


def progress(done: int, of: int, seconds: float, broken: int) -> str:
    return f"{done:,} of {of:,} worlds, {done / seconds:.1f} a second, {broken} broken"


def summary(
    done: int, seconds: float, cpu_seconds: float, counts: Counter[str], broken: Sequence[Result]
) -> str:
    """`cpu_seconds` are those of all processes, PostgreSQL's too."""
    rules = Counter(str(one.played.rule) for one in broken)
    each, rate = cpu_seconds / done, done / max(seconds, 0.001)
    lines = [f"{done:,} worlds in {seconds:.0f} s, {each:.2f} CPU seconds each, {rate:.1f} a second"]
    lines += [f"  {count:>9,} {what}" for what, count in sorted(counts.items())]
    lines += [f"  {count:>9,} broken: {rule}" for rule, count in rules.most_common()]
    lines.append("every rule held" if not broken else f"broken in the worlds {sorted(_seeds(broken))}")
    return "\n".join(lines)


def of_broken(result: Result) -> str:
    """What broke, the fewest steps that lead there, and the command that repeats them."""
    shown = result.shrunk or result.played
    lines = [f"── seed {shown.seed}, at step {shown.step}: {shown.text}", *shown.log]
    lines += ["── Stripe's events", *map(_event, shown.stripe)]
    lines.append(f"── the whole world again: make simulate SEED={shown.seed}")
    if result.shrunk is not None:
        steps = ",".join(map(str, result.steps))
        mended = ",".join(f"{step}.{number}" for step, number in result.mended)
        lines.append(
            f"── its {len(result.steps)} steps: make simulate SEED={shown.seed} STEPS={steps}"
            + (f" MENDED={mended}" if mended else "")
        )
    return "\n".join(lines)


def _event(event: Resource) -> str:
    one = event["data"]["object"]
    said = [one.get(name) for name in ("status", "payment_status", "payment_intent")]
    words = [event["id"], event["type"], one["id"], one.get("amount_total", one.get("amount")), *said]
    return " ".join(str(word) for word in words if word is not None)


def _seeds(broken: Sequence[Result]) -> list[int]:
    return [one.played.seed for one in broken]
