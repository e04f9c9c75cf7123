#!/usr/bin/env bash
# Runs every fuzz target for SECONDS, from its corpus in tests/fuzz/corpus/<target>/ when there is
# one. A finding stops the run; its input is kept in build-fuzz/.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
if [ ! -f build-fuzz/build.ninja ]; then
    CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
        >/dev/null
fi
ninja -C build-fuzz --quiet
found=0
for target in build-fuzz/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    found=$((found + 1))
    name=$(basename "$target")
    work=build-fuzz/corpus/$name
    mkdir -p "$work"
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=""
    echo "$name"
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
        -verbosity=0 -artifact_prefix="build-fuzz/$name-" "$work" $seeds
done
[ "$found" -gt 0 ] || { echo "no fuzz targets" >&2; exit 1; }
echo "$found targets, $seconds s each: nothing found"
