"""Rows of every file in a folder by Spark: `python spark_rows.py FOLDER OUT`."""

import sys

import memgrove
import pyarrow
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema


def for_spark(batch):
    """Spark has no unsigned numbers, and reads those of Parquet as decimals, too."""
    decimal = pyarrow.decimal128(20)
    fields = [field.with_type(decimal) if field.type == pyarrow.uint64() else field for field in batch.schema]
    return batch.cast(pyarrow.schema(fields))


def inspect(batches):
    for batch in batches:
        files = zip(batch["path"].to_pylist(), batch["content"].to_pylist())
        yield for_spark(memgrove.inspect_many(files))


folder, out = sys.argv[1:3]
spark = SparkSession.builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 64).getOrCreate()
files = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(folder)
schema = from_arrow_schema(for_spark(memgrove.inspect_many([])).schema)
rows = files.select("path", "content").mapInArrow(inspect, schema)
rows.write.parquet(out, compression="zstd")  # Its Snappy does not load where musl is installed, too.
print(spark.read.parquet(out).groupBy("status").count().collect())
