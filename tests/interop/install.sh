#!/bin/sh
# Puts the npm packages of FOLDER's package-lock.json (sdk, ric, apps) into BUILD/FOLDER/node_modules, once
# per lock.
# Usage: install.sh BUILD FOLDER
# The lock holds versions and hashes and no registry's address: npm asks the one it is set up for.
# Packages' scripts are not run, but for ric: aws-lambda-ric compiles curl and aws-lambda-cpp, which it
# brings along, and its add-on against the headers of the installed Node.js: a minute or more.
set -eu
here=$(cd "$(dirname "$0")" && pwd)/$2
to=$1/$2
mkdir -p "$to"
exec 9>"$to/lock"
flock 9
if cmp -s "$here/package-lock.json" "$to/installed"; then
    exit 0
fi
cp "$here/package.json" "$here/package-lock.json" "$to/"
cd "$to"
if [ "$2" = ric ]; then
    npm_config_nodedir=/usr timeout 900 npm ci --no-audit --no-fund --loglevel=error
    test -f node_modules/aws-lambda-ric/dist/rapid-client.node
else
    timeout 240 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
cp package-lock.json installed
