"""Rows of every file in a folder by Spark: `python spark_rows.py FOLDER OUT`."""

import sys

import memgrove
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema


def inspect(batches):
    for batch in batches:
        yield memgrove.inspect_many(zip(batch["path"].to_pylist(), batch["content"].to_pylist()))


folder, out = sys.argv[1:3]
spark = SparkSession.builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 64).getOrCreate()
files = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(folder)
schema = from_arrow_schema(memgrove.inspect_many([]).schema)
rows = files.select("path", "content").mapInArrow(inspect, schema)
rows.write.parquet(out)
print(spark.read.parquet(out).groupBy("status").count().collect())
