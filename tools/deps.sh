#!/bin/sh
# Installs the Debian packages that a goal needs, and nothing when all are there.
# Usage: deps.sh GOAL...   goals: build demo check lint fuzz vm
# As root or through sudo; otherwise prints the line to run and fails.
set -eu

# Functions run /usr/bin/node, which may have come from elsewhere than Debian.
node_package() {
    /usr/bin/node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' 2>/dev/null ||
        echo nodejs
}

# The official runtime client for Node.js is built against its headers.
node_headers_package() {
    [ -f /usr/include/node/node_api.h ] || echo libnode-dev
}

# The official JavaScript clients come through npm, which other builds of node bring along.
npm_package() {
    command -v npm >/dev/null 2>&1 || echo npm
}

packages_of() {
    case $1 in
    build) echo gcc libc6-dev meson ninja-build pkg-config python3 libuv1-dev libssl-dev libnghttp2-dev \
        libsqlite3-dev libarchive-dev libseccomp-dev libslirp-dev zlib1g-dev libcmocka-dev ;;
    demo) echo python3 python3-pil awscli e2fsprogs iproute2 $(node_package) ;;
    check) echo python3 python3-pil python3-boto3 python3-debugpy python3-numpy awscli clang libclang-rt-14-dev clang-format openssl \
        procps unzip zip curl uidmap imagemagick-6.q16 ruby default-jdk-headless $(node_package) $(npm_package) \
        cmake g++ make autoconf automake libtool $(node_headers_package) ;;
    lint) echo clang-tidy cppcheck ;;
    fuzz) echo clang libclang-rt-14-dev ;;
    vm) echo debootstrap qemu-system-x86 e2fsprogs ;;
    *) echo "deps.sh: unknown goal '$1'" >&2; exit 2 ;;
    esac
}

wanted=""
for goal in "$@"; do
    wanted="$wanted $(packages_of "$goal")"
done
missing=""
for package in $wanted; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || case " $missing " in
    *" $package "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null 2>&1; then
    sudo="sudo"
else
    echo "Virga needs these packages; run as root:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
if ! $sudo apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1; then
    # The lists may be missing or old: fetch them and try once more.
    if ! { $sudo apt-get update -q && $sudo apt-get install -y -q --no-install-recommends $missing; } \
        >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
fi
