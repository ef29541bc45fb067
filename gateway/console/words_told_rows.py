"""What is wrong with a row of a register's file, in English as the import says it and in Chinese. Headings stay as they stand in the file."""

from __future__ import annotations

from typing import Final

ROWS: Final = (
    ("more cells than headings", "单元格比表头多"),
    ("site is missing", "缺少 site"),
    ("{heading} is missing", "缺少 {heading}"),
    ("valid_to {until} is before valid_from {since}", "valid_to {until} 早于 valid_from {since}"),
    (
        "household {household} is not one of site {site}; import households first",
        "小区 {site} 没有登记房号 {household}：请先导入住户",
    ),
    ("vehicle {word} is none of {choices}", "vehicle {word} 应为以下之一：{choices}"),
    ("relation {word} is none of {choices}", "relation {word} 应为以下之一：{choices}"),
    (
        "pass {word} is not in the site's policy, which has {choices}",
        "小区的收费规则没有包月 {word}，可选：{choices}",
    ),
    (
        "class {word} is no class with a register in the site's policy, which has {choices}",
        "小区的收费规则没有需登记的免费类别 {word}，可选：{choices}",
    ),
    (
        "{heading} speaks of a low income; that stands in a certificate and nowhere else: leave it out",
        "{heading} 提到了收入状况；收入状况只写在证明里，请删去",
    ),
    ("area_m2 {area} is not a number of square metres", "area_m2 {area} 不是平方米数"),
    ("area_m2 {area} is not between 0 and {most}", "area_m2 {area} 须在 0 至 {most} 之间"),
    (
        "{heading} {text} is neither a day (YYYY-MM-DD) nor an instant (RFC 3339)",
        "{heading} {text} 不能识别，日期例如 2026-03-01",
    ),
    ("{heading} is longer than {n} characters", "{heading} 超过 {n} 个字"),
    ("{heading} holds characters that cannot be printed", "{heading} 含有不可见字符"),
    ("says other than line {n}, which is the same entry", "与第 {n} 行是同一项登记，内容却不同"),
    ("it would end ({end}) before it begins ({start})", "结束（{end}）早于开始（{start}）"),
    (
        "household {household} has ended; register the household again, or give a valid_to that is not after {end}",
        "房号 {household} 的登记已终止：请重新登记，或把 valid_to 写为不晚于 {end}",
    ),
    (
        "household {household} would have more than {n} relatives' vehicles at once, the most that the policy allows (relative_allowance.vehicles_max); end another one first",
        "房号 {household} 同时登记的亲属车辆将超过收费规则允许的 {n} 辆：请先终止一辆",
    ),
    ("line 1: no column {heading}; {kind} has {choices}", "第 1 行：缺少一列 {heading}；应有 {choices}"),
    (
        "line 1: column {heading} is none of {kind}, which has {choices}",
        "第 1 行：不认识的列 {heading}；可用 {choices}",
    ),
    (
        "line 1: heading {heading} is not known; correct it or leave the column out",
        "第 1 行：不认识的表头 {heading}：请更正或删去该列",
    ),
    ("line 1: two columns mean {heading}; leave one out", "第 1 行：有两列都是 {heading}：请删去一列"),
    (
        "line 1: no heading that says anything; a file starts with a line of headings",
        "第 1 行：没有可用的表头：第一行应为表头",
    ),
    ("it holds NUL bytes and is no CSV text; save it as CSV or XLSX", "不是 CSV 文本：请另存为 CSV 或 XLSX"),
    ("line {line}: more than {n} columns", "第 {line} 行：超过 {n} 列"),
    ("line {line}: not CSV: {error}; correct the quotes", "第 {line} 行：CSV 的引号有误（{error}）"),
    ("the workbook unpacks to more than {n} MiB; split it", "表格展开后超过 {n} MiB：请拆分"),
    ("the workbook has no sheet", "表格里没有工作表"),
    (
        "not an XLSX workbook that can be read ({error}); save it again",
        "不是可以读取的 XLSX 表格（{error}）：请重新另存",
    ),
)
