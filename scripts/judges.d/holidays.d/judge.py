"""Holds the program's holidays and business days to those of the library `holidays`."""

import datetime as dt
import json
import subprocess
import sys

import holidays

YEARS = range(2024, 2033)
program = sys.argv[1]


def asked(question, csv):
    told = subprocess.run([program, "market", question, "--json"], input=csv, text=True, capture_output=True)
    if told.returncode != 0:
        sys.exit(f"market {question}: exit code {told.returncode}: {told.stderr}")
    return json.loads(told.stdout)


theirs = holidays.country_holidays("CO", years=[*YEARS, YEARS.stop], observed=True)
ours = asked("holidays", "year\n" + "".join(f"{y}\n" for y in YEARS))
days = {dt.date.fromisoformat(h["date"]) for h in ours}
wanted = {day for day in theirs if day.year in YEARS}
if days != wanted:
    sys.exit(f"holidays: only ours {sorted(days - wanted)}, only theirs {sorted(wanted - days)}")
# Two may share a Monday: the library joins their names by "; ".
names = sum(len(theirs[day].split("; ")) for day in wanted)
if names != len(ours):
    sys.exit(f"holidays: {len(ours)} names of ours, {names} of theirs")

# The next business day after every day, and the tenth.
day, rows = dt.date(YEARS.start, 1, 1), []
while day < dt.date(YEARS.stop - 1, 12, 1):
    rows += [(day, 1), (day, 10)]
    day += dt.timedelta(days=1)
csv = "start_bogota,n\n" + "".join(f"{day}T10:00:00-05:00,{n}\n" for day, n in rows)
for (day, n), told in zip(rows, asked("business-day", csv), strict=True):
    end, left = day, n
    while left:
        end += dt.timedelta(days=1)
        left -= end.weekday() < 5 and end not in theirs
    if told["deadline"] != f"{end}T23:59:59-05:00":
        sys.exit(f"{n} business days after {day}: {told['deadline']}, the library says {end}")

print(f"{len(wanted)} holidays and {len(rows)} terms in business days, as PyPI holidays {holidays.__version__} has them")
