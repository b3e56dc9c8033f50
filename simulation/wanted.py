"""What people want: to top up, to move a balance themselves, to refund."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Request:
    """A top-up that somebody wants; `sessions` are those whose page they were sent to."""

    request_id: str
    user_id: int
    amount: int
    sessions: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.request_id} {self.user_id}"


@dataclass(frozen=True, slots=True)
class Move:
    """A movement that the application made itself."""

    key: str
    user_id: int
    amount: int

    @property
    def name(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class Ordered:
    """What an operator refunds; all that is left if there is no amount."""

    intent: str
    amount: int | None
