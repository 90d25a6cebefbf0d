#!/bin/sh
# Run Triptych's data plane on another kernel, in a virtual machine that sees this machine's files.
#
#   tools/try-kernel.sh linux-image-6.1.0-50-amd64.deb    the checks of tools/try-kernel-guest.sh
#   tools/try-kernel.sh FOLDER                            the same, of an image unpacked with dpkg -x
#   tools/try-kernel.sh IMAGE COMMAND...                  a command of your own, in the checkout's root
#
#   ACCEL=kvm      where /dev/kvm works; without it the processor is emulated, about ten times slower
#   MINUTES=60     give up after this long
#   MEMORY=4096    MB for the virtual machine
#
# This machine's root file system is passed in read-only under a layer in memory; the virtual machine has no
# network. Nothing is installed. docs/howto/older-kernels.md tells what came out.
set -eu

say() { printf '%s\n' "try-kernel: $*"; }
fail() { printf '%s\n' "try-kernel: $*" >&2; exit 1; }

[ $# -ge 1 ] || fail "name a kernel: a linux-image .deb, or a folder that one was unpacked to"
checkout=$(cd "$(dirname "$0")/.." && pwd)
given=$1
shift
for tool in qemu-system-x86_64 busybox cpio modprobe depmod; do
	command -v "$tool" >/dev/null 2>&1 ||
		fail "$tool is missing; as root: apt-get install --no-install-recommends qemu-system-x86 busybox-static cpio kmod"
done
[ "$(uname -m)" = x86_64 ] || fail "the virtual machine is an x86_64 one, this machine is $(uname -m)"
# It shares the machine's files, and a machine that is not root could not read some.
[ "$(id -u)" -eq 0 ] || fail "needs root, to read every file that the virtual machine may ask for"

mkdir -p "$checkout/build"
# Not below /tmp: the virtual machine has one of its own.
work=$(mktemp -d "$checkout/build/try-kernel.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if [ -d "$given" ]; then
	cp -a "$given" "$work/image"
else
	[ -r "$given" ] || fail "$given is no readable file; apt-get download linux-image-... fetches one"
	dpkg -x "$given" "$work/image" || fail "$given is no Debian package"
fi
set -- "$work/image/boot"/vmlinuz-* -- "$@"
[ -r "$1" ] || fail "$given holds no boot/vmlinuz-*: a meta-package? give the package it depends on"
[ "$2" = -- ] || fail "$given holds several kernels; give one"
kernel=$1
release=${kernel##*/vmlinuz-}
shift 2
# Newer packages keep modules below /usr/lib.
[ -d "$work/image/lib/modules" ] || ln -s usr/lib "$work/image/lib"
[ -d "$work/image/lib/modules/$release" ] || fail "$given holds no modules for $release"
depmod -b "$work/image" "$release"

# The first root: busybox, and what it takes to reach this machine's files.
mkdir -p "$work/first/modules" "$work/first/bin"
cp "$(command -v busybox)" "$work/first/bin/busybox"
: >"$work/first/order"
for module in virtio_pci 9pnet_virtio 9p overlay; do
	modprobe -d "$work/image" -S "$release" --show-depends "$module" >"$work/depends" 2>/dev/null ||
		fail "$release has no module $module (the -cloud images have no 9p); give the full image"
	while read -r verb path _; do
		[ "$verb" = insmod ] || continue
		name=$(basename "$path")
		case "$name" in
		*.xz) name=${name%.xz} && xz -dc "$path" >"$work/first/modules/$name" ;;
		*.zst) name=${name%.zst} && zstd -qdc "$path" >"$work/first/modules/$name" ;;
		*) cp "$path" "$work/first/modules/$name" ;;
		esac
		grep -qx "$name" "$work/first/order" || echo "$name" >>"$work/first/order"
	done <"$work/depends"
done
cat >"$work/first/init" <<INIT
#!/bin/busybox sh
set -e
b=/bin/busybox
\$b mkdir -p /proc /dev /below /layer /root
\$b mount -t proc proc /proc
\$b mount -t devtmpfs dev /dev
while read -r name; do \$b insmod "/modules/\$name"; done </order
\$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro machine /below
\$b mount -t tmpfs layer /layer
\$b mkdir /layer/upper /layer/work
\$b mount -t overlay -o lowerdir=/below,upperdir=/layer/upper,workdir=/layer/work overlay /root
\$b umount /proc
exec \$b switch_root /root "$checkout/tools/try-kernel-guest.sh" "$work/image/lib/modules"
INIT
mkdir "$work/first/proc" "$work/first/dev"
ln -s busybox "$work/first/bin/sh"
chmod 755 "$work/first/init"
(cd "$work/first" && find . | cpio -o -H newc --quiet) >"$work/first.cpio"

printf '%s\n' "$@" >"$work/command"
[ $# -gt 0 ] || : >"$work/command"
log=$checkout/build/try-kernel-$release.log
say "booting $release (${ACCEL:-tcg}); the console is kept in ${log#"$checkout"/}"
timeout $((${MINUTES:-60} * 60)) qemu-system-x86_64 -accel "${ACCEL:-tcg}" -cpu max -smp 2 -m "${MEMORY:-4096}" \
	-nodefaults -display none -no-reboot -serial stdio -kernel "$kernel" -initrd "$work/first.cpio" \
	-virtfs local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap \
	-append "console=ttyS0 panic=-1 quiet" </dev/null 2>&1 | sed -u 's/\r*$//' | tee "$log"
answer=$(sed -n 's/^try-kernel: the guest ended with \([0-9]*\)$/\1/p' "$log" | tail -n 1)
[ -n "$answer" ] || fail "the virtual machine came to no end (out of ${MINUTES:-60} minutes, or a panic); see ${log#"$checkout"/}"
exit "$answer"
