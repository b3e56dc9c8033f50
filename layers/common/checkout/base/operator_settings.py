"""Settings that limit what operators may decide."""

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
        "an `adjust` or `refund` above this amount needs a second operator's `approve`; `erase-user` always"
        " does. If unset, nothing does",
    )
    fraud_warning_action = Setting(
        "FRAUD_WARNING_ACTION",
        _fraud_warning_action,
        "what an early fraud warning from Stripe does besides raising an alarm: `none`",
        default="none",
    )
