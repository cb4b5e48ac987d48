"""The answers to questions.sql as Markdown: `python duckdb_sql.py ROWS`, a file of CSV or a folder of Parquet that `memgrove inspect` wrote."""

import pathlib
import sys

import duckdb

LISTS = ["defects", "proposals", "runs", "runs_if", "runs_not"]

source = sys.argv[1]
if source.endswith(".csv"):
    # A cell of CSV has no lists.
    lists = ", ".join(f"string_split({name}, ';') AS {name}" for name in LISTS)
    rows = f"SELECT * REPLACE ({lists}) FROM read_csv('{source}')"
else:
    rows = f"SELECT * FROM '{source}/*.parquet'"
duckdb.sql(f"CREATE VIEW rows AS {rows} WHERE status = 'ok'")
for part in pathlib.Path(__file__).with_name("questions.sql").read_text().split("-- ")[1:]:
    question, query = part.split("\n", 1)
    answer = duckdb.sql(query)
    print(f"## {question}\n")
    for cells in [answer.columns, ["---"] * len(answer.columns), *answer.fetchall()]:
        print("|", " | ".join(str(cell) for cell in cells), "|")
    print()
