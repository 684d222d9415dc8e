#!/usr/bin/env bash
# Writes the lists of this folder from setup.cfg and build.in: `make lock`. Needs uv 0.13 or later.
# A package stands in each list that needs it, with the checksums of all its files. torch is in
# torch.txt, which is written by hand; the CUDA libraries of its builds are in no list.
set -euo pipefail
cd "$(dirname "$0")/.."
all=$(mktemp)
trap 'rm -f "$all"' EXIT

compile() {
    uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --upgrade \
        --no-annotate --custom-compile-command "make lock" "$@"
}

# The dots stand for quotes. Windows is not supported.
select_packages() {
    awk -v leave_out="$1" '!/^[ #]/ {keep = !/sys_platform == .win32/ && $0 !~ leave_out} keep || /^#/'
}

extras() {
    printf -- '--extra %s ' "$@"
}

tested=$(extras train context llm parquet omop serve dev)
# shellcheck disable=SC2086
compile requirements/build.in setup.cfg $tested -o "$all" > /dev/null
select_packages '^$' < "$all" > requirements/test.txt
compile requirements/build.in --constraint "$all" | select_packages '^$' > requirements/build.txt
compile setup.cfg --extra train --constraint "$all" | select_packages '^$' > requirements/run.txt
torch=$(grep -o '^torch==[^ ]*' requirements/torch.txt)
compile setup.cfg --extra trf --constraint "$all" \
    --override <(echo "$torch; python_version < '3.14'") |
    select_packages '^(torch|triton|nvidia-|cuda-)' > requirements/trf.txt
