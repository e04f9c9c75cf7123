#!/usr/bin/env bash
# Every test, in bounded time, closing with one line: N passed, N failed[, N skipped].
#
#   release   gcc, as shipped: unit, sim, sandbox, api, interop, crash, demo-sized bench
#   sanitize  clang, address + undefined: unit, sim, api
#   thread    clang, thread: the queues and actors
#   fuzz      clang: each target for a few seconds
#   tree      include direction, formatting, generated files
#
# VIRGA_CHECK="release fuzz" runs a part of it.
set -uo pipefail
cd "$(dirname "$0")/.."
parts=${VIRGA_CHECK:-"tree release sanitize thread fuzz"}
passed=0 failed=0 skipped=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python=/usr/bin/python3
seeds=${VIRGA_SEEDS:-../shared/seeds} # documents beside the project, where they are

note() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }
count() { # count RC NAME LOG
    if [ "$1" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $2"
        [ -z "${3:-}" ] || tail -n 60 "$3"
    fi
}
step() { # step NAME COMMAND...
    local name=$1 rc=0
    shift
    "$@" >"$out/step.log" 2>&1 || rc=$?
    count $rc "$name" "$out/step.log"
    return $rc
}

# Builds DIR with the meson arguments that follow.
build() {
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >"$out/setup.log" 2>&1 || {
        cat "$out/setup.log"
        return 1
    }
    # Configured before there was a JDK: the Java runtime is not in it.
    grep -q virga.jar "$dir/build.ninja" || meson setup --reconfigure "$dir" >"$out/setup.log" 2>&1
    ninja -C "$dir" --quiet
}

# Runs the tests that meson knows (a suite or all) and adds up its figures.
meson_tests() {
    local dir=$1 log="$out/meson.log"
    shift
    meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >"$log" 2>&1 || true
    local ok bad timeout skip
    ok=$(sed -n 's/^Ok: *//p' "$log")
    bad=$(sed -n 's/^Fail: *//p' "$log")
    timeout=$(sed -n 's/^Timeout: *//p' "$log")
    skip=$(sed -n 's/^Skipped: *//p' "$log")
    if [ -z "$ok" ]; then
        count 1 "meson test $dir" "$log"
        return
    fi
    passed=$((passed + ok)) failed=$((failed + bad + timeout)) skipped=$((skipped + skip))
    [ $((bad + timeout)) = 0 ] || cat "$log"
}

# Runs one folder of Python tests against the binaries of DIR.
python_tests() {
    local dir=$1 folder=$2 log="$out/python.log" rc=0
    VIRGA_BUILD=$(realpath "$dir") timeout 1800 $python tests/lib/run.py "tests/$folder" \
        >"$log" 2>&1 || rc=$?
    local line ok bad skip
    line=$(tail -n 1 "$log")
    ok=$(echo "$line" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
    bad=$(echo "$line" | sed -n 's/.* \([0-9]*\) failed.*/\1/p')
    skip=$(echo "$line" | sed -n 's/.* \([0-9]*\) skipped.*/\1/p')
    if [ -z "$ok" ]; then
        count 1 "tests/$folder ($dir)" "$log"
        return
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + ${skip:-0}))
    [ "$rc" = 0 ] || cat "$log"
}

for part in $parts; do
    case $part in
    tree)
        note "tree"
        step "include direction" $python tools/check-layers.py src
        step "formatting" tools/format.sh --check
        ;;
    release)
        note "release build and tests (gcc)"
        if step "build" build build; then
            meson_tests build
            python_tests build api
            python_tests build interop
            python_tests build crash
            [ ! -d "$seeds" ] || step "seeds" $python examples/seeds/run.py "$seeds"
            step "demo" $python tools/demo.py build
            step "bench, briefly" $python bench/run.py build --brief
            step "soak, briefly" $python tests/soak/soak.py build --seconds 20
        fi
        ;;
    sanitize)
        note "address and undefined behaviour sanitizers (clang)"
        if CC=clang step "sanitizer build" build build-asan -Db_sanitize=address,undefined \
            -Db_lundef=false --buildtype=debugoptimized; then
            meson_tests build-asan
            python_tests build-asan api
        fi
        ;;
    thread)
        note "thread sanitizer (clang): queues, actors, snapshots"
        if CC=clang step "thread build" build build-tsan -Db_sanitize=thread -Db_lundef=false; then
            meson_tests build-tsan --suite threads --suite sim
        fi
        ;;
    fuzz)
        note "fuzz targets, 5 s each"
        step "fuzz" tools/fuzz.sh 5
        ;;
    *)
        echo "check.sh: unknown part '$part'" >&2
        exit 2
        ;;
    esac
done

echo
echo "took ${SECONDS} s"
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" = 0 ]
