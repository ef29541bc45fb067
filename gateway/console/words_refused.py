"""What a refusal says to whoever works here, by its slug, where no area's words say it; and the pages of what went wrong."""

from __future__ import annotations

from typing import Final

_SAID: Final = (
    ("trouble.missing", "没有这个页面", "There is no such page"),
    ("trouble.ours", "系统出错了", "Something of ours is broken"),
    ("trouble.field", "地址或表单中的这一项不能使用，请更正：", "This, in the address or the form, cannot be used:"),
    ("trouble.most", "每次最多", "At most"),
    ("trouble.incident", "事故编号（在日志中可查到）：", "In the log it is called"),
    ("refused.bad-request", "请求不能识别，请返回重试。", "The request cannot be read; go back and try again."),
    ("refused.method-not-allowed", "这个地址不能这样使用，请返回重试。", "This address does not take that; go back."),
    (
        "refused.too-large",
        "提交的内容太大；返回后，已填的内容还在。",
        "What was sent is too large; it is still there when you go back.",
    ),
    (
        "refused.internal",
        "这是系统的问题，不是您的；请稍后再试，仍不行请报告事故编号。",
        "This is not your fault. Try again later; then tell who looks after the service what the log calls it.",
    ),
    (
        "refused.database-full",
        "数据库磁盘已满，暂时不能保存；腾出空间后自动恢复。",
        "The database's disk is full: nothing can be stored until there is room.",
    ),
    (
        "refused.database-read-only",
        "数据库处于只读状态，暂时不能保存。",
        "The database is read-only: nothing can be stored.",
    ),
    (
        "refused.database-busy",
        "数据库正忙，没有保存；请再试一次。",
        "The database was busy and nothing was stored; try again.",
    ),
    (
        "refused.too-long",
        "用时太久已中止；请缩小范围，或稍后再试。",
        "It took too long; ask for less, or try again later.",
    ),
    ("refused.not-signed-in", "请先登录。", "Sign in first."),
    ("refused.wrong-credentials", "用户名或密码不正确。", "The name or the password is wrong."),
    ("refused.not-a-picture", "图片须为 JPEG 格式。", "A picture is a JPEG."),
    (
        "refused.another-picture",
        "该识别已有另一张图片，以先到的为准。",
        "Another picture of the event is here already; the first stands.",
    ),
    (
        "refused.channel-closed",
        "非测试环境不能手工登记这个渠道的收款。",
        "The channel takes no money by hand outside test mode.",
    ),
    (
        "refused.channel-not-offered",
        "收款主体没有开通这个支付渠道。",
        "The site's merchant has no account at this payment channel.",
    ),
    (
        "refused.amount-differs",
        "渠道所报金额与订单不同，须人工核对。",
        "The channel says another amount than the order's: a person must look at it.",
    ),
    ("refused.not-the-channels", "通知不是支付渠道发来的。", "The notice is not the channel's own."),
    ("refused.not-reversible", "这笔费用不能冲回。", "The charge cannot be reversed."),
    ("refused.already-declared", "该小区已在应急放行中。", "An emergency is declared for this site already."),
    ("refused.not-correctable", "这条停车记录不能更正。", "Of this stay nothing can be corrected."),
    ("refused.nothing-to-correct", "记录本来就是这样，无需更正。", "The record says so already."),
    (
        "refused.stays-overlap",
        "该车另一条记录会因此失去入场或离场，请先更正那一条。",
        "Another stay of the vehicle would lose its entry or exit: correct that one first.",
    ),
    (
        "refused.mail-not-sent",
        "邮件服务器没有接受，稍后自动重发。",
        "The mail was not taken by the server: it is tried again.",
    ),
    (
        "refused.nobody-waits",
        "车道上没有等候的无牌车；请开到道闸前，等显示屏提示。",
        "No vehicle without a plate stands at this lane: drive up to the barrier and wait until the display shows it.",
    ),
    (
        "refused.claimed-before",
        "已有另一部手机为这辆车扫码。",
        "Another phone has scanned for the vehicle that stands at this lane.",
    ),
    (
        "refused.scan-over",
        "扫码已过期或已用过，请重新扫码。",
        "The scan is too old or was used: scan the lane's code again.",
    ),
    (
        "refused.no-stay",
        "这部手机入场的车不在场内；请按求助。",
        "The phone came with no vehicle that is inside here: press the help button.",
    ),
    ("refused.still-needed", "数据仍须保留。", "The data is still needed."),
    ("refused.voucher-not-valid", "不是本小区的停车券。", "The code is not one of this site's vouchers."),
    ("refused.voucher-used", "停车券已用过。", "The voucher has been used already."),
    (
        "refused.voucher-not-issued",
        "停车券没有发出，或已退回；请留下券并告知登记员。",
        "The voucher was never issued to anybody, or was returned: keep it and tell the registrar.",
    ),
    ("refused.voucher-over", "停车券已作废，或不在有效期内。", "The voucher is void, or not valid at this time."),
    (
        "refused.month-not-closed",
        "该小区这个月还没有日结完，用券情况仍可能变化。",
        "The month is not closed at this site: what was used in it may still change.",
    ),
)

REFUSED: Final[dict[str, dict[str, str]]] = {
    "zh": {key: zh for key, zh, _ in _SAID},
    "en": {key: en for key, _, en in _SAID},
}
