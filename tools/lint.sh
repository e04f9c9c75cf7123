#!/usr/bin/env bash
# The slow static checks: size rules, clang-tidy, cppcheck. Counts may only fall.
set -uo pipefail
cd "$(dirname "$0")/.."
rc=0
/usr/bin/python3 tools/tidy.py || rc=1
files=$(git ls-files 'src/*.c')
[ -f build-lint/compile_commands.json ] || CC=clang meson setup build-lint >/dev/null
ninja -C build-lint --quiet >/dev/null || rc=1
clang-tidy -p build-lint --quiet --warnings-as-errors='*' \
    --checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-assignment-in-if-condition,concurrency-*,-concurrency-mt-unsafe' \
    $files 2>/dev/null || rc=1
cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
    --suppress=memleak --suppress=resourceLeak --suppress=unknownMacro -Isrc -Ibuild-lint/model src || rc=1
exit $rc
