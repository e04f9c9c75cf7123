#!/bin/sh
# Puts the JavaScript clients of package-lock.json into BUILD/interop/node_modules, once per lock.
# Usage: install.sh BUILD
# The lock holds versions and hashes and no registry's address: npm asks the one it is set up for.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=$1/interop
mkdir -p "$to"
exec 9>"$to/lock"
flock 9
if cmp -s "$here/package-lock.json" "$to/installed"; then
    exit 0
fi
cp "$here/package.json" "$here/package-lock.json" "$to/"
cd "$to"
timeout 120 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
cp package-lock.json installed
