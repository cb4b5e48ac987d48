"""How long a recipe takes with so many workers: `python workers.py ENGINE RECIPE WORKERS FEW MANY`.

WORKERS is how many tasks the engine runs at once, and how many of the machine's cores it may use for everything. The recipe
runs three times in one session of the engine: over the folder FEW, so that everything is started, over FEW again, which is
what each job costs whatever its size, and over MANY. Prints seconds and rows as a JSON object.
"""

import contextlib
import json
import os
import pathlib
import runpy
import sys
import tempfile
import time

begin = time.monotonic()
engine, recipe, workers, few, many = sys.argv[1:]
workers = int(workers)
# Processes that are started from here on inherit it: Java, Ray's own, and the workers.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])

if engine == "spark":
    from pyspark.sql import SparkSession

    SparkSession.builder.master(f"local[{workers}]").config("spark.ui.enabled", False).getOrCreate()
elif engine == "ray":
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
else:
    sys.exit(f"no engine {engine}")


def job(folder, out):
    """Run the recipe; return its seconds."""
    start = time.monotonic()
    sys.argv = [recipe, folder, out]
    # What it prints is for a reader.
    with contextlib.redirect_stdout(sys.stderr):
        runpy.run_path(recipe, run_name="__main__")
    return time.monotonic() - start


with tempfile.TemporaryDirectory() as place:
    job(few, f"{place}/first")
    started = time.monotonic() - begin
    fixed = job(few, f"{place}/few")
    whole = job(many, f"{place}/many")
    import pyarrow.dataset

    parts = [str(path) for path in pathlib.Path(place, "many").glob("*.parquet")]
    rows = pyarrow.dataset.dataset(parts).count_rows()
print(json.dumps({"start": started, "fixed": fixed, "whole": whole, "rows": rows}))
