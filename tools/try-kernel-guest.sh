#!/bin/sh
# The first process of the virtual machine that tools/try-kernel.sh boots; not for running by hand.
#
#   try-kernel-guest.sh MODULES      the folder of this kernel's modules, which replaces /lib/modules
#
# The command to run stands, one argument a line, in `command` beside the image; without one, the checks below run.
set -u

work=$(dirname "$(dirname "$(dirname "$1")")")
cd "$(dirname "$0")/.."
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PYTHONPATH=src PYTHONUNBUFFERED=1 CI=true
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
# The machine's namespaces and sockets are no business of this kernel's.
for folder in /dev/shm /run /tmp; do mount -t tmpfs tmpfs "$folder"; done
mkdir -p /lib/modules
mount --bind "$1" /lib/modules
ip link set lo up
# Other modules come when they are asked for; this one is asked for by a device node that udev would make.
modprobe -q tun

say() { printf '%s\n' "try-kernel: $*"; }
python=.venv/bin/python
failed=""
exec 4>&1
check() {
	name=$1
	shift
	say "$name"
	# Through a pipe: nobody looks at a progress bar here.
	code=$({ { "$@" 2>&1; echo $? >&3; } | cat >&4; } 3>&1)
	[ "$code" = 0 ] || { say "FAILED: $name"; failed="$failed; $name"; }
}
vm() { $python -m triptych lab exec "$1" -- ping -c 2 -i 0.2 -W 5 -q "$2"; }
unreachable() { ! vm "$1" "$2"; }
tests() { $python -m pytest "tests/$1" -m "not fuzz" -v --tb=short -p no:cacheprovider --timeout=900; }

checks() {
	check "lab up" $python -m triptych lab up examples/two-tenants.yaml
	check "what the hosts chose, and what the verifier walked" $python tools/kernel_facts.py
	for to in 10.0.1.12 fd00:1::12 10.0.2.11 fd00:2::12; do
		check "ping of acme from web-1 to $to" vm acme/web-1 "$to"
	done
	check "ping of globex with the same addresses" vm globex/web-1 10.0.1.12
	check "no answer where globex has no such port" unreachable globex/web-1 10.0.2.12
	check "lab down" $python -m triptych lab down
	# Those that load the programs once come first: for an emulated processor the verifier's work is most of it.
	check "the programs against the reference forwarder" tests dataplane/judges
	check "the programs" tests dataplane/programs
	check "the driver" tests dataplane/driver
	check "labs" tests system/lab
}

say "Linux $(uname -r), $(nproc) processors"
if [ -s "$work/command" ]; then
	set --
	while IFS= read -r argument; do set -- "$@" "$argument"; done <"$work/command"
	check "$*" "$@"
else
	checks
fi </dev/null
if [ -n "$failed" ]; then say "failed${failed}"; else say "all passed"; fi
say "the guest ended with $([ -z "$failed" ] && echo 0 || echo 1)"
echo o >/proc/sysrq-trigger
# Powering off takes a moment, and the first process must not end.
while :; do :; done
