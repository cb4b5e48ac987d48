"""Whether two sets of rows say the same: `python same_rows.py EXPECTED ROWS...`, each a pattern of Parquet or NDJSON files.

EXPECTED is what the command wrote. Columns are compared as it has them, but for `tool`, which is another; the order is not
compared. Prints how many rows there are of each status, as a JSON object.
"""

import json
import sys

import duckdb


def relation(pattern):
    return f"read_json('{pattern}', format = 'newline_delimited')" if pattern.endswith("json") else f"'{pattern}'"


expected, *others = sys.argv[1:]
types = {name: kind for name, kind, *_ in duckdb.sql(f"DESCRIBE FROM {relation(expected)}").fetchall() if name != "tool"}
# Spark names a file by its address, and has no unsigned numbers.
columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in types.items())
for number, pattern in enumerate([expected, *others]):
    rows = f"SELECT {columns} FROM {relation(pattern)}"
    duckdb.sql(f"CREATE TABLE rows{number} AS SELECT * REPLACE (regexp_replace(source, '^file:/+', '/') AS source) FROM ({rows})")
failed = False
for number, pattern in enumerate(others, 1):
    for more, fewer in [("rows0", f"rows{number}"), (f"rows{number}", "rows0")]:
        different = duckdb.sql(f"FROM {more} EXCEPT ALL FROM {fewer}")
        for row in different.fetchall()[:3]:
            failed = True
            print(f"{pattern}: not in {fewer}:", dict(zip(different.columns, row)), file=sys.stderr)
counts = dict(duckdb.sql("SELECT status, count(*) FROM rows0 GROUP BY 1 ORDER BY 1").fetchall())
print(json.dumps(counts))
sys.exit(failed)
