#!/bin/sh
# Builds aws-lambda-ric into BUILD/ric/node_modules, once per lock: a minute or more.
# Usage: install.sh BUILD
# Its scripts compile curl and aws-lambda-cpp, which it brings along, and the add-on against the
# headers of the installed Node.js: nothing is downloaded but npm packages.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=$1/ric
mkdir -p "$to"
exec 9>"$to/lock"
flock 9
if cmp -s "$here/package-lock.json" "$to/installed"; then
    exit 0
fi
cp "$here/package.json" "$here/package-lock.json" "$to/"
cd "$to"
npm_config_nodedir=/usr timeout 900 npm ci --no-audit --no-fund --loglevel=error
test -f node_modules/aws-lambda-ric/dist/rapid-client.node
cp package-lock.json installed
