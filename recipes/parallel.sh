#!/bin/sh
# Rows of the files that LIST names, by GNU parallel: `parallel.sh LIST OUT JOBS`. Each job has a file of its own, so
# that one that was ended goes on where it ended, on this machine or another.
set -eu
list=$1 out=$2 jobs=$3
mkdir -p "$out"
split -n "l/$jobs" -d "$list" "$out/list-"
# shellcheck disable=SC2016
parallel --will-cite -j "$jobs" \
    'memgrove --quiet inspect --jobs 1 --format rows --resume -o {}.ndjson --files-from {}' ::: "$out"/list-??
cat "$out"/list-*.ndjson | wc -l
