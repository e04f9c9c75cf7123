#!/usr/bin/env bash
# The sandbox suites on a machine of their own: Debian's kernel, control groups of version 2 alone, and an
# emulated processor that has what the host's may lack (protection keys). It takes minutes, and nothing
# here says how fast anything is: a test may run out of time that would pass elsewhere.
#
#   vm.sh BUILD_DIR [TEST...]    as root; default: the suite "sandbox" but for runtime/live, whose functions
#                                have the time that they need on a real processor
#
# The system is Debian's, installed into BUILD_DIR/vm/root once and kept.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$(pwd) build=$(realpath "$1") vm=$(realpath "$1")/vm
shift
[ "$(id -u)" = 0 ] || { echo "vm.sh: making a system takes root" >&2; exit 1; }
packages=linux-image-cloud-amd64,initramfs-tools,busybox,kmod,iproute2,procps,e2fsprogs,uidmap,meson,ninja-build
packages+=,python3,python3-pil,python3-numpy,nodejs,libuv1,libssl3,libnghttp2-14,libsqlite3-0,libarchive13
packages+=,libseccomp2,libslirp0,zlib1g,libcmocka0
mkdir -p "$vm"

if [ ! -f "$vm/made" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
    rm -rf "$vm/root"
    debootstrap --variant=minbase --include="$packages" bookworm "$vm/root" "$mirror" >"$vm/debootstrap.log" ||
        { tail -n 5 "$vm/debootstrap.log" >&2; exit 1; }
    touch "$vm/made"
fi

# The tree under the name that it has here, which is in what meson wrote.
rm -rf "$vm/root$here" "$vm/disk"
mkdir -p "$vm/root$here"
{
    tar c --exclude="./build-*" --exclude="${vm/#$here/.}" --exclude=.git --exclude="*.o" . || [ $? = 1 ] # changed meanwhile
} | tar x -C "$vm/root$here"
[ "${build#"$here"/}" != "$build" ] || { echo "vm.sh: $build is not below $here" >&2; exit 1; }
tests=("$@")
[ $# -gt 0 ] || mapfile -t tests < <(meson test -C "$build" --list --suite sandbox 2>/dev/null |
    sed -n 's/.* \/ //p' | grep -v runtime/live)
cat >"$vm/root/usr/sbin/virga-vm" <<END
#!/bin/bash
# Process 1: mounts, a control group as a service manager gives it, the tests, the end.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc; mount -t sysfs sys /sys 2>/dev/null; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up; modprobe loop; ulimit -n 65536; echo 1 >/proc/sys/kernel/printk
cd /sys/fs/cgroup; mkdir -p system/virga
for top in . system; do echo "+memory +cpu +pids" >\$top/cgroup.subtree_control; done
echo 1 >system/virga/cgroup.procs
cd "$here"; uname -rs
meson test -C "$build" --no-rebuild --print-errorlogs --timeout-multiplier 5 --num-processes 1 ${tests[*]} | cat
sync; echo o >/proc/sysrq-trigger; sleep 10
END
chmod +x "$vm/root/usr/sbin/virga-vm"
truncate -s 10G "$vm/disk"
mkfs.ext4 -q -F -d "$vm/root" "$vm/disk"
timeout 2400 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 6G -display none -serial stdio -nic none \
    -no-reboot -kernel "$vm"/root/boot/vmlinuz-* -initrd "$vm"/root/boot/initrd.img-* \
    -append "root=/dev/vda rw console=ttyS0 init=/usr/sbin/virga-vm panic=-1 quiet" \
    -drive file="$vm/disk",format=raw,if=virtio,cache=unsafe </dev/null 2>&1 | tr -d '\r' | tee "$vm/log"
rm -f "$vm/disk"
figure() { sed -n "s/^$1: *\([0-9]*\).*/\1/p" "$vm/log"; }
ok=$(figure Ok) bad=$(figure Fail) late=$(figure Timeout)
[ -n "$ok" ] || { echo "vm.sh: the tests did not come to their end" >&2; exit 1; }
echo "$ok passed, $((bad + late)) failed"
[ $((bad + late)) = 0 ]
