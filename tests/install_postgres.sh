#!/bin/sh
# Installs PostgreSQL's programs for tests/test_annotate_databases.py, which starts a server of its
# own with them and stops it again. Where this cannot be done, those tests are skipped.
#
# Usage: sh tests/install_postgres.sh [PYTHON]   (the Python that runs the tests, else python3)
set -eu

python=${1:-python3}

if command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then
    echo "PostgreSQL is installed."
elif command -v brew > /dev/null; then
    brew install postgresql
elif [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update
    # The tests need the programs alone, and no server that runs all the time.
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql
else
    # Without root: a wheel that has the programs in it.
    "$python" -m pip install pgserver
fi
