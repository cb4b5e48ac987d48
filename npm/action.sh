#!/usr/bin/env bash
# What action.yml runs: a table of the modules in the job's summary; status 3 if one does not keep the policy.
# MEMGROVE_FILES are paths and patterns, MEMGROVE_POLICY a file or nothing; MEMGROVE is the command.
set -uo pipefail
shopt -s globstar nullglob
policy=()
if [ -n "${MEMGROVE_POLICY:-}" ]; then
  policy=(--policy "$MEMGROVE_POLICY")
fi
# Unquoted, so that patterns become files.
# shellcheck disable=SC2206
files=($MEMGROVE_FILES)
if [ "${#files[@]}" -eq 0 ]; then
  echo "error: no file fits $MEMGROVE_FILES" >&2
  exit 2
fi
summary=${GITHUB_STEP_SUMMARY:-/dev/stdout}
echo '### WebAssembly modules' >> "$summary"
echo >> "$summary"
# Indented text is shown as it is, whatever names are in it.
${MEMGROVE:-npx --yes memgrove} inspect --format table "${policy[@]}" "${files[@]}" | sed 's/^/    /' >> "$summary"
exit "${PIPESTATUS[0]}"
