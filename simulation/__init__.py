"""Plays whole worlds against the promise: from one seed everything that Stripe, Kafka, the databases, users
and operators do, while the real services work on a real PostgreSQL, and a checker that shares no code with
them.

It knows `checkout` and `local`, and nothing of the tests; nothing else knows of it.
"""

import sys
from pathlib import Path

# The functions' shared code is a layer, and not installed.
sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "common"))
