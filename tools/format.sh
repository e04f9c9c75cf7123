#!/bin/sh
# Formats the C files of the tree in place; --check only says which differ.
set -eu
cd "$(dirname "$0")/.."
files=$(git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' 'bootstraps/*.[ch]')
if [ "${1:-}" = --check ]; then
    exec clang-format --dry-run -Werror $files
fi
exec clang-format -i $files
