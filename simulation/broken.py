"""A rule that does not hold."""


class Broken(AssertionError):
    """`rule` names it."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule
