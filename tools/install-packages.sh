#!/bin/sh
# Install the Debian or Ubuntu packages that Triptych's demo, tests and measurements use.
#
#   tools/install-packages.sh           install what is missing (root), say what is (others)
#   tools/install-packages.sh --list    print the packages for this release
#   STAMP=file tools/install-packages.sh    also touch a file when all are there
#
# Nothing is started: a policy keeps the packages' services (Open vSwitch, etcd) down;
# tests and measurements start their own, in their own folders, and stop them.
set -eu

say() { printf '%s\n' "packages: $*"; }
fail() { printf '%s\n' "packages: $*" >&2; exit 1; }

release=${OS_RELEASE:-/etc/os-release}
[ -r "$release" ] || fail "this is no Debian or Ubuntu (no $release); docs/howto/install.md tells what to install by hand"
. "$release"
command -v dpkg-query >/dev/null 2>&1 ||
	fail "$PRETTY_NAME has no dpkg; docs/howto/install.md tells what to install by hand"

packages="ca-certificates clang ethtool gcc git iperf3 iproute2 iputils-arping iputils-ping kmod libbpf-dev
libc6-dev linux-libc-dev llvm make nftables openvswitch-switch python3 python3-venv sockperf systemd tcpdump traceroute"

# bpftool comes with the kernel's tools on Ubuntu; 22.04 has Python 3.10 as python3, and etcd in one package.
case "$ID:${VERSION_CODENAME:-}" in
ubuntu:jammy) packages="$packages etcd linux-tools-common linux-tools-generic python3.11 python3.11-venv" ;;
ubuntu:*) packages="$packages etcd-server linux-tools-common linux-tools-generic" ;;
*) packages="$packages bpftool etcd-server" ;;
esac

if [ "${1:-}" = --list ]; then
	printf '%s\n' $packages
	exit 0
fi

missing=""
for package in $packages; do
	status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$status" = "install ok installed" ] || missing="$missing $package"
done
stamp=${STAMP:-}
done_with() {
	say "$1"
	if [ -n "$stamp" ]; then mkdir -p "$(dirname "$stamp")" && : >"$stamp"; fi
	exit 0
}
[ -n "$missing" ] || done_with "all installed"

if [ "$(id -u)" -ne 0 ]; then
	# Not fatal: the tests without root and the sim driver need little of this.
	say "not root, so these stay missing; as root: apt-get install --no-install-recommends$missing" >&2
	exit 0
fi

say "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
ours=""
if [ ! -e "$policy" ]; then
	# 101: "action forbidden by policy" (invoke-rc.d)
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	ours=yes
fi
cleanup() { [ -z "$ours" ] || rm -f "$policy"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

log=$(mktemp)
apt_failed() {
	tail -n 15 "$log" >&2
	fail "$1; the whole output is in $log. Without network, install them another way and run again:$missing"
}
say "reading the package lists"
apt-get update -q >"$log" 2>&1 || apt_failed "apt-get update failed"
say "downloading and unpacking (some minutes on a bare machine)"
apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1 </dev/null || apt_failed "apt-get install failed"
rm -f "$log"
done_with "done"
