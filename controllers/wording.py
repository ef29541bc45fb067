"""What a lane's display shows and says, in the words that drivers know. Never a name, never why a resident parks free."""

from __future__ import annotations

from controllers.commands import Reason

_SHOWN: dict[Reason, tuple[str, str]] = {
    Reason.TEMPORARY: ("临时车 欢迎光临", "欢迎光临"),
    Reason.RESIDENT: ("住户车辆 请通行", "请通行"),
    Reason.RELATIVE_ALLOWANCE: ("亲属免费", "亲属车辆 请通行"),
    Reason.FREE_CLASS: ("免费车辆 请通行", "请通行"),
    Reason.FREE_MINUTES: ("免费时段 一路平安", "一路平安"),
    Reason.VOUCHER: ("停车券已抵扣 一路平安", "一路平安"),
    Reason.PAID: ("已付款 一路平安", "一路平安"),
    Reason.PAY_LATER: ("先离场后付费 一路平安", "请在离场后付费 一路平安"),
    Reason.STAFF: ("请通行", "请通行"),
    Reason.EMERGENCY: ("紧急放行", "紧急放行 请尽快通行"),
    Reason.PAYMENT_DUE: ("请扫码付款", "请扫码付款"),
    Reason.NO_ENTRY: ("请联系值班人员", "请联系值班人员"),
    Reason.UNREADABLE: ("未识别车牌 请扫码或联系值班人员", "未识别车牌 请联系值班人员"),
    Reason.NOT_REGISTERED: ("本通道仅限登记车辆", "本通道仅限登记车辆 请走大门"),
    Reason.FULL: ("车位已满", "车位已满 请稍候"),
    Reason.BLOCKED: ("禁止入内 请联系值班人员", "请联系值班人员"),
}


def lines(
    reason: Reason,
    plate: str | None,
    *,
    minutes: int | None = None,
    fen: int | None = None,
    left_minutes: int | None = None,
) -> tuple[str, ...]:
    """Display lines: the plate, how long it stayed, the word, what is due or what is left of an allowance."""
    shown = [plate] if plate else []
    if minutes is not None:
        shown.append(f"停车 {duration(minutes)}")
    word = _SHOWN[reason][0]
    if reason is Reason.RELATIVE_ALLOWANCE and left_minutes is not None:
        word = f"亲属免费 本月余 {duration(left_minutes)}"
    shown.append(word)
    if reason is Reason.PAYMENT_DUE and fen is not None:
        shown.append(f"应付 {yuan(fen)} 元")
    return tuple(shown)


def voice(reason: Reason, *, fen: int | None = None) -> str:
    said = _SHOWN[reason][1]
    return f"请付 {yuan(fen)} 元" if reason is Reason.PAYMENT_DUE and fen is not None else said


def duration(minutes: int) -> str:
    """41 小时 20 分."""
    hours, rest = divmod(minutes, 60)
    return f"{hours} 小时 {rest} 分" if hours else f"{rest} 分"


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals, by integer arithmetic."""
    return f"{fen // 100}.{fen % 100:02d}"
