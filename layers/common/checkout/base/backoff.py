"""SQL of waits that double with each attempt."""


def backoff(first: str, attempts: str, at_most: str) -> str:
    """The moment that lies `first` seconds from now, doubled for each attempt, at most `at_most`. Each is a
    parameter or an expression: `backoff("60", "refusals", "%s")`."""
    # Without a limit of its own, the power would overflow one day.
    return f"now() + make_interval(secs => least({first} * 2.0 ^ least({attempts}, 30), {at_most}))"
