#!/usr/bin/env bash
# Prints the path of a Python that has DuckDB, pandas and deltalake.
exec "$(dirname "$0")/../support/python.sh" duckdb 'import duckdb, deltalake, pandas, pyarrow' \
  'duckdb>=1.3,<2' 'deltalake>=1.1,<2' 'pandas>=2,<4' 'pyarrow>=20'
