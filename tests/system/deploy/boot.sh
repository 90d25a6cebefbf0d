#!/bin/bash
# A machine whose first process is this machine's systemd: boot.sh FOLDER ROOT PREFIX PACKAGES
# FOLDER gets the log of probe.sh; ROOT is this checkout, PREFIX a Python, PACKAGES its site-packages.
# Everything it writes is in memory and vanishes with it; run it in new namespaces of every kind.
set -eu
folder=$1 root=$2 prefix=$3 packages=$4
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/machine
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/machine
new=/mnt/machine
mount -t proc proc $new/proc
mount -t sysfs sysfs $new/sys
mount -t cgroup2 cgroup2 $new/sys/fs/cgroup
mount -t bpf bpf $new/sys/fs/bpf
mount -t tmpfs -o mode=755 tmpfs $new/dev
for name in null zero full random urandom tty; do touch $new/dev/$name; mount --bind /dev/$name $new/dev/$name; done
mkdir $new/dev/net $new/dev/pts $new/dev/mqueue
ln -s /proc/self/fd $new/dev/fd
ln -s pts/ptmx $new/dev/ptmx
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts $new/dev/pts
mount -t mqueue mqueue $new/dev/mqueue
mount -t tmpfs -o mode=755 tmpfs $new/run
# Where a service finds them, for it sees no home: what is installed on a machine is in /opt.
mkdir -p $new/opt/python $new/opt/packages $new/opt/checkout $new/opt/said $new/opt/triptych/bin
mount --bind "$prefix" $new/opt/python
mount --bind "$packages" $new/opt/packages
mount --bind "$root" $new/opt/checkout
mount --bind "$folder" $new/opt/said
cat > $new/opt/triptych/bin/triptych <<'X'
#!/bin/sh
export PYTHONHOME=/opt/python PYTHONPATH=/opt/checkout/src:/opt/packages PYTHONDONTWRITEBYTECODE=1
export LD_LIBRARY_PATH=/opt/python/lib
exec /opt/python/bin/python3 -m triptych "$@"
X
chmod 755 $new/opt/triptych/bin/triptych
ln -sf /opt/triptych/bin/triptych $new/usr/local/bin/triptych
cat > $new/etc/systemd/system/probe.service <<'X'
[Service]
Type=oneshot
StandardOutput=file:/opt/said/log
StandardError=inherit
ExecStart=/bin/bash /opt/checkout/tests/system/deploy/probe.sh
ExecStopPost=/bin/systemctl --force exit 0
X
printf '[Unit]\nRequires=basic.target\nWants=probe.service\nAfter=basic.target\nAllowIsolate=yes\n' \
    > $new/etc/systemd/system/probe.target
# Nothing of the outer machine is to be touched or waited for.
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-networkd.service systemd-remount-fs.service \
    systemd-sysctl.service systemd-modules-load.service dev-hugepages.mount sys-kernel-debug.mount; do
    ln -sf /dev/null $new/etc/systemd/system/$unit
done
cd $new
mkdir old
pivot_root . old
umount -l old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=probe.target --show-status=0 --log-target=null
