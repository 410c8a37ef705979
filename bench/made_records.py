"""Records of many exchanges, made by DuckDB in seconds: short chats of ten thousand users under twenty system prompts.

A fifth of them is said twice, and a tenth is cut off by its length.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from records.parquet import COMPARISONS, EXCHANGES, Column, RowTable, connect, quoted

ROUTE = "triage"
MODEL = "gpt-4o"
DAYS = 20
_DAY_US = 86_400_000_000
_ID = """printf('%08x-%04x-7%03x-8000-%012x', moment_us // 1000 // 65536, moment_us // 1000 % 65536, n % 4096, n)"""
"""As the gateway makes them: in order of time, which they begin with. Source: RFC 9562, UUID version 7."""
_EXCHANGES = {
    "id": _ID,
    "arrived_at": "make_timestamp(moment_us)",
    "conversation_id": "printf('%016x', n)",
    "unit": "printf('%016x', n)",
    "key_id": "'k'",
    "user_id": "printf('%016x', hash(n) % 10000)",
    "route": f"'{ROUTE}'",
    "variant": "'baseline'",
    "why": "'assigned'",
    "method": "'POST'",
    "path": "'/v1/chat/completions'",
    "endpoint": "'chat'",
    "upstream": "'openai'",
    "outcome": "'complete'",
    "model_requested": f"'{MODEL}'",
    "model_returned": f"'{MODEL}-2024-11-20'",
    "status": "200",
    "complete": "true",
    "finish_reason": "CASE WHEN n % 10 = 0 THEN 'length' ELSE 'stop' END",
    "consent": "'train'",
    "system_hash": "printf('%016x', n % 20)",
    "prompt_tokens": "200 + n % 300",
    "completion_tokens": "20 + n % 50",
    "cost_usd": "0.001 + (n % 300) / 100000.0",
    "first_byte_ms": "300.0 + n % 400",
    "total_ms": "700.0 + n % 900",
    "request_json": """printf('{"model":"gpt-4o","messages":[{"role":"system","content":"You triage, by rule %d."},'
        '{"role":"user","content":"Where is parcel %d, which was sent on day %d to the depot of %s?"}]}',
        said % 20, said, said % 365, md5(said::VARCHAR))""",
    "response_json": """printf('{"choices":[{"index":0,"message":{"role":"assistant","content":"It is at stop %d."},'
        '"finish_reason":"stop"}]}', said % 1000)""",
}
_COMPARISONS = {
    "exchange_id": _ID,
    "asked": "'candidate'",
    "route": f"'{ROUTE}'",
    "unit": "printf('%016x', n)",
    "candidate_key": "'c'",
    "compared_us": "make_timestamp(moment_us + 1000000)",
    "p_mirror": "1.0",
    "came": "'answered'",
    "status": "200",
    "metric": "'exact'",
    "q": "CASE WHEN n % 7 = 0 THEN -1.0 ELSE 0.0 END",
    "p_sample": "1.0",
    "scores_json": "'{}'",
    "agree": "CASE WHEN n % 7 = 0 THEN 0.0 ELSE 1.0 END",
    "total_ms": "400.0 + n % 300",
    "cost_usd": "0.0002",
    "endpoint": "'chat'",
    "answer_json": """printf('{"choices":[{"index":0,"message":{"role":"assistant","content":"It is at stop %d."},'
        '"finish_reason":"stop"}]}', said % 900)""",
}


def make_exchanges(records: Path, rows: int, last: date) -> None:
    """So many exchanges of `ROUTE`, evenly over the `DAYS` days that end with `last`."""
    _make(records, EXCHANGES, _EXCHANGES, rows, every=1, last=last)


def make_comparisons(records: Path, rows: int, every: int, last: date) -> None:
    """One comparison for each `every`-th of so many exchanges, made with the same `last`."""
    _make(records, COMPARISONS, _COMPARISONS, rows, every=every, last=last)


def first_id(last: date) -> str:
    """The id of the first exchange of those that end with `last`."""
    ms = _begins_us(last, 0) // 1000
    return f"{ms // 65536:08x}-{ms % 65536:04x}-7000-8000-{0:012x}"


def _begins_us(last: date, number: int) -> int:
    """When the day of that number begins."""
    day = last - timedelta(days=DAYS - 1 - number)
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def _make(records: Path, table: RowTable, made: Mapping[str, str], rows: int, *, every: int, last: date) -> None:
    columns = ", ".join(f"{_value(column, made)} AS {column.name}" for column in table.columns)
    with connect() as connection:
        for number in range(DAYS):
            first, beyond = rows * number // DAYS, rows * (number + 1) // DAYS
            day = last - timedelta(days=DAYS - 1 - number)
            source = f"""(
SELECT range AS n, CASE WHEN range % 5 = 1 THEN range - 1 ELSE range END AS said,
       {_begins_us(last, number)} + (range - {first}) * {_DAY_US // max(1, beyond - first + 1)} AS moment_us
FROM range({-(-first // every) * every}, {beyond}, {every}))"""  # noqa: S608 -- our own words
            folder = records / table.name / f"date={day.isoformat()}"
            folder.mkdir(parents=True)
            path = quoted(folder / "0-made.parquet")
            connection.execute(f"COPY (SELECT {columns} FROM {source}) TO {path}")  # noqa: S608 -- our own words


def _value(column: Column, made: Mapping[str, str]) -> str:
    plain = {"VARCHAR": "''", "BIGINT": "0", "DOUBLE": "0.0", "BOOLEAN": "false", "TIMESTAMP": "NULL"}
    return f"({made.get(column.name, plain[column.sql])})::{column.sql}"
