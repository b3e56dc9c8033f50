"""fresh_function against a Kafka that believes another token than MSK's, which is made as well: it costs CPU.

python -m benchmarks.slow_function stripe_webhook 5   # TOKEN is what Kafka believes
"""

import os
import sys

from benchmarks.fresh_function import serve
from checkout.outbox import sign_in

_of_msk = sign_in.msk_token


def _token() -> str:
    _of_msk()
    return os.environ["TOKEN"]


if __name__ == "__main__":
    sign_in.msk_token = _token
    serve(sys.argv[1], int(sys.argv[2]))
