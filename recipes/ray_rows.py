"""Rows of every file in a folder by Ray Data: `python ray_rows.py FOLDER OUT`."""

import sys

import memgrove
import pyarrow
import ray


def inspect(batch):
    files = zip(batch["path"].to_pylist(), batch["bytes"].to_pylist())
    return pyarrow.Table.from_batches([memgrove.inspect_many(files)])


folder, out = sys.argv[1:3]
files = ray.data.read_binary_files(folder, include_paths=True)
# Batches of another size would make reading a task of its own, between which and this one Ray divides the cores.
rows = files.map_batches(inspect, batch_format="pyarrow", batch_size=None)
rows.write_parquet(out)
print(ray.data.read_parquet(out).groupby("status", num_partitions=1).count().take_all())
