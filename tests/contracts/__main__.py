"""`make contracts-diff REF=`: what has become of the contracts since a git ref, by default the last tag.

Exits with 1 if the change breaks those who rely on them; with 0 if it does not, or if there was nothing yet.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from tests.contracts import breaks
from tests.contracts.documents import ASYNCAPI, OPENAPI, ROOT, read, resolved

COMPARISONS = {OPENAPI: breaks.of_openapi, ASYNCAPI: breaks.of_asyncapi}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make contracts-diff", description=__doc__)
    parser.add_argument("ref", nargs="?", help="a commit, tag or branch; by default the last tag")
    ref = parser.parse_args(arguments).ref or git("describe", "--tags", "--abbrev=0")
    if ref is None:
        print("There is no tag yet, so nothing to compare the contracts with.")
        return 0
    if git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") is None:
        print(f"git knows no {ref}.", file=sys.stderr)
        return 2
    found = []
    for path, compared in COMPARISONS.items():
        before = git("show", f"{ref}:{path}")
        if before is None:
            print(f"{ref} has no {path}, so nothing to compare it with.")
        else:
            found += [f"{path}: {line}" for line in compared(resolved(before), read(path))]
    print("\n".join(found) or f"Nothing breaks since {ref}.")
    return 1 if found else 0


def git(*words: str) -> str | None:
    """What git says; None if it refuses."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
