"""Writes the table of README.md from scenarios.json."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- the table: written by run.py --write -->", "<!-- the end of the table -->"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def verdict(row: dict[str, Any], client: str) -> str:
    if why := row.get("skips", {}).get(client):
        return f"not run: {why}"
    difference = row.get("differs", {}).get(client)
    return f"differs: {difference['why']}" if difference else "same"


def table(scenarios: list[dict[str, Any]], clients: list[str]) -> str:
    lines = []
    for group, rows in groupby(scenarios, key=lambda row: row["name"].split("/")[0]):
        lines += [f"### {group}", "", f"| scenario | {' | '.join(clients)} |", "| --- |" + " --- |" * len(clients)]
        for row in rows:
            told = [row["name"].split("/", 1)[1], *(verdict(row, client) for client in clients)]
            lines.append(f"| {' | '.join(map(cell, told))} |")
        lines.append("")
    return "\n".join(lines)


def write_report(path: Path, scenarios: list[dict[str, Any]], clients: list[str], *, keep: bool) -> bool:
    """Whether the file says what the table says; with `keep`, it stays as it is."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n\n{table(scenarios, clients)}\n{END}{after}"
    if not keep:
        path.write_text(wanted)
    return not keep or text == wanted
