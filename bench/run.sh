#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The bench suite: one table, figures.json, and a plot for each curve. See bench/run.sh --help.
exec /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/suite/main.py" "$@"
