#!/bin/sh
# Installs PostgreSQL for tests/test_annotate_databases.py, which starts one of its own. Where this
# cannot be done, those tests are skipped.
set -eu

if command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then
    echo "PostgreSQL is installed."
elif command -v brew > /dev/null; then
    brew install postgresql
elif command -v apt-get > /dev/null; then
    if [ "$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi
    $sudo apt-get update
    # The tests need the programs alone, and no server that runs all the time.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql
else
    echo "Neither brew nor apt-get is here: install PostgreSQL yourself." >&2
    exit 1
fi
