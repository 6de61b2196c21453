"""The campaign's record as a Markdown page."""

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = """# The fault campaign

Made by `make chaos` from `campaign.json`; what is done and promised stands in
[`docs/faults.md`](../../docs/faults.md). *Recovered*: the run after the fault gave every byte of an undisturbed run
and left nothing else behind. *Readings*: how often a process beside it loaded the result while faults struck.
*Losses*: a run that did not recover, or anything half-done that was seen. An undertaking that had ended before its
kill counts among *times*, and is no kill. A row that is repeated (`--only`, `--stages`) takes the place of the older.

"""


def table(record: Mapping[str, Any]) -> str:
    """One line per fault and stage."""
    rows: Sequence[Mapping[str, Any]] = record["rows"]
    lines = [
        "| fault | stage | times | recovered | readings | losses | the disturbed runs ended |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        ends = ", ".join(f"{how} {n}" for how, n in sorted(row["endings"].items()))
        cells = (
            row["fault"],
            row["stage"],
            row["times"],
            row["recovered"],
            row["readings"] or "",
            len(row["losses"]),
            ends,
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    total = {key: sum(row[key] for row in rows) for key in ("times", "recovered", "readings")}
    n_losses = sum(len(row["losses"]) for row in rows)
    lines.append(
        f"| **all** | | {total['times']} | {total['recovered']} | {total['readings']} | {n_losses} | "
        f"killed {record['n_kills']} |"
    )
    for fault, why in record["skipped"].items():
        lines.append(f"\nNot tried: {fault}: {why}.")
    lines += [f"\n- {row['fault']}, {row['stage']}: {loss}" for row in rows for loss in row["losses"]]
    return HEAD + "\n".join(lines) + "\n"
