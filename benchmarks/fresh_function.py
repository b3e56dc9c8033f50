"""A function in a process of its own: the init phase, then an event a line; a line says what each took.

python -m benchmarks.fresh_function stripe_webhook 5   # 5: the file descriptor that the answers go to
"""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path


class Context:
    """What a function reads of Lambda's."""

    function_name = "benchmark"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:benchmark"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 60_000


def serve(function: str, answers: int) -> None:
    with os.fdopen(answers, "w") as output:

        def report(wall: float, cpu: float) -> None:
            taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            print(json.dumps(taken), file=output, flush=True)

        wall, cpu = time.perf_counter(), time.process_time()
        path = Path(__file__).parents[1] / "functions" / function / "app.py"
        spec = importlib.util.spec_from_file_location("app", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["app"] = module
        spec.loader.exec_module(module)
        report(wall, cpu)
        for line in sys.stdin:
            event = json.loads(line)
            wall, cpu = time.perf_counter(), time.process_time()
            module.handler(event, Context())
            report(wall, cpu)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
