"""Whether `inspect` returns what the command says: `python same_report.py MEMGROVE FILE...`."""

import json
import pathlib
import subprocess
import sys

import memgrove

command, *files = sys.argv[1:]
for file in files:
    printed = subprocess.run([command, "inspect", "--json", file], check=True, stdout=subprocess.PIPE).stdout
    expected, report = json.loads(printed)["files"][0]["report"], memgrove.inspect(pathlib.Path(file).read_bytes())
    if expected != report:
        sys.exit(f"{file}: {[key for key in expected if expected[key] != report.get(key)]} differ")
print(len(files))
