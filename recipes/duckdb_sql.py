"""Ask rows by SQL: `memgrove inspect --format parquet -o rows FOLDER`, then `python duckdb_sql.py rows`."""

import sys

import duckdb

folder = sys.argv[1]
source = f"'{folder}'" if folder.endswith(".csv") else f"'{folder}/*.parquet'"
QUESTIONS = {
    "Which allocators?": "SELECT allocator, count(*) AS modules FROM rows WHERE status = 'ok' GROUP BY 1 ORDER BY 2 DESC, 1",
    "Whose memory only the host can grow?": "SELECT toolchain, count(*) AS modules FROM rows WHERE growth = 'host' GROUP BY 1 ORDER BY 2 DESC, 1",
    "Initial memory in MiB": "SELECT quantile_cont(memory_min_bytes / 1048576.0, [0.5, 0.9, 1.0]) AS quantiles FROM rows",
    "What could not be inspected?": "SELECT status, count(*) AS inputs FROM rows WHERE status <> 'ok' GROUP BY 1 ORDER BY 2 DESC",
}
duckdb.sql(f"CREATE VIEW rows AS SELECT * FROM {source}")
for question, query in QUESTIONS.items():
    print(question)
    print(duckdb.sql(query))
