"""Settings of what operators may decide."""

from collections.abc import Mapping

from checkout.base import setting
from checkout.base.setting import Setting


def _fraud_warning_action(given: str) -> str:
    if given != "none":
        raise ValueError("must be none: freeze and refund need frozen accounts, which a later release brings")
    return given


class OperatorSettings:
    environment: Mapping[str, str]

    adjust_limit_cents = Setting(
        "ADJUST_LIMIT_CENTS",
        setting.optional_number,
        "what an operator may add to or take from a balance in one `adjust`",
    )
    four_eyes_cents = Setting(
        "FOUR_EYES_CENTS",
        setting.optional_number,
        "above so much an `adjust` or `refund` needs a second operator's `approve`, and `erase-user` always;"
        " without it none does",
    )
    fraud_warning_action = Setting(
        "FRAUD_WARNING_ACTION",
        _fraud_warning_action,
        "what an early fraud warning of Stripe's does besides its alarm: `none`",
        default="none",
    )
