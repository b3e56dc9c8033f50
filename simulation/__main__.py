"""`python -m simulation --help`

Exit status: 0 all rules held; 1 a rule was broken in some world, which is printed.
"""

import argparse
import os
import resource
import sys
import time
from collections import Counter

from simulation import report, running
from simulation.play import STEPS
from simulation.running import Result, Wanted
from simulation.tape import Place
from simulation.upgraded import release_before

DESCRIPTION = (
    "Play worlds against the promise: from one seed everything that Stripe, Kafka, the databases, users and"
    " operators do is chosen, and a checker says whether every payment, refund and dispute was entered once."
)
BROKEN_SHOWN = 5
LEFT_OUT = "Worlds that begin with the release before are left out: git has no history of it here."


def main() -> int:
    given = _arguments()
    wanted = _wanted(given)
    began, last_said = time.monotonic(), 0.0
    counts: Counter[str] = Counter()
    broken: list[Result] = []
    done = 0
    has_upgraded = any(running.is_upgraded(one.seed) for one in wanted)
    if has_upgraded and not release_before.is_known():
        has_upgraded, wanted = False, [one for one in wanted if not running.is_upgraded(one.seed)]
        print(LEFT_OUT)
    if not wanted:
        return 0
    with running.playing(min(given.processes, len(wanted)), has_upgraded=has_upgraded) as pool:
        for result in pool.imap_unordered(running.play, wanted, chunksize=running.CHUNK):
            done += 1
            counts += result.played.counts
            if result.played.rule is not None:
                broken.append(result)
                if len(broken) <= BROKEN_SHOWN:
                    print(report.of_broken(result), flush=True)
                if given.until_broken:
                    break
            elif len(wanted) == 1:
                print("\n".join(result.played.log))
            elapsed = time.monotonic() - began
            if elapsed - last_said > given.every:
                last_said = elapsed
                print(report.progress(done, len(wanted), elapsed, len(broken)), file=sys.stderr, flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(report.summary(done, time.monotonic() - began, cpu, counts, broken))
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--seeds", type=int, default=300, help="how many worlds; 300 by default")
    parser.add_argument("--first", type=int, default=1, help="the first seed; 1 by default")
    parser.add_argument("--seed", type=int, help="one world, with all that happens in it")
    parser.add_argument("--steps", type=_numbers, help="of that world only these: 3,17,20")
    parser.add_argument(
        "--mended", type=_places, default=[], help="faults that do not happen there: 3.2,17.0"
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=(os.cpu_count() or 1) + 1,
        help="one more than there are cores by default",
    )
    parser.add_argument("--until-broken", action="store_true", help="end at the first broken rule")
    parser.add_argument("--as-they-are", action="store_true", help="do not look for the fewest steps")
    parser.add_argument("--every", type=float, default=10, help="seconds between two lines of progress")
    given = parser.parse_args()
    if given.seeds < 1 or given.processes < 1:
        parser.error("--seeds and --processes must be at least 1")
    return given


def _wanted(given: argparse.Namespace) -> list[Wanted]:
    if given.seed is None:
        return [
            Wanted(seed, shrinks=not given.as_they_are)
            for seed in range(given.first, given.first + given.seeds)
        ]
    steps = given.steps if given.steps is not None else range(1, STEPS + 1)
    return [
        Wanted(
            given.seed, steps, frozenset(given.mended), shrinks=given.steps is None and not given.as_they_are
        )
    ]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _places(text: str) -> list[Place]:
    places = (place.partition(".") for place in text.split(",") if place)
    return [(int(step), int(number)) for step, _, number in places]


if __name__ == "__main__":
    raise SystemExit(main())
