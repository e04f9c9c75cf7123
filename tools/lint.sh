#!/usr/bin/env bash
# The slow static checks: size rules, clang-tidy (.clang-tidy says which), cppcheck.
# Usage: lint.sh [ROOM...]     "src/net", or a file; without: everything
set -uo pipefail
cd "$(dirname "$0")/.."
rc=0
/usr/bin/python3 tools/tidy.py || rc=1
[ -f build-lint/compile_commands.json ] || CC=clang meson setup build-lint >/dev/null
# What is generated is included; the rest need not be compiled.
generated=$(ninja -C build-lint -t targets all | sed -n 's/\(.*\.[ch]\): CUSTOM_COMMAND$/\1/p')
ninja -C build-lint --quiet $generated >/dev/null || rc=1
# Two lines for each file that is clean, on stderr, are no findings.
git ls-files -- "${@:-src}" | grep '\.c$' |
    xargs -P "$(nproc)" -n 4 clang-tidy -p build-lint --quiet 2>/dev/null || rc=1
# Of cppcheck 2.10, left out:
#   memleak, resourceLeak             it does not know the attribute cleanup
#   unknownMacro, internalAstError    nor our macros, nor statement expressions in them
#   ctuuninitvar, ctunullpointer      it takes out parameters of another file for inputs
#   constStatement                    registers that a system call names in its assembly
suppressed=(memleak resourceLeak unknownMacro internalAstError ctuuninitvar ctunullpointer
    constStatement:src/restorer/*)
cppcheck --quiet -j "$(nproc)" --error-exitcode=1 --enable=warning,portability --inline-suppr \
    "${suppressed[@]/#/--suppress=}" -Isrc -Ibuild-lint/model "${@:-src}" || rc=1
exit $rc
