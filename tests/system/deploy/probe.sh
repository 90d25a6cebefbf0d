#!/bin/bash
# Run as a unit of the machine that boot.sh made: what the units do, step by step, for test_systemd.py to judge.
set -u
cd /opt/checkout
export HOME=/run/probe TRIPTYCH_SERVER=https://127.0.0.1:8443 TRIPTYCH_CA=/etc/triptych/ca.crt
export TRIPTYCH_TOKEN_FILE=/var/lib/triptych/controller/admin.token
step() { echo "== $1: $(shift; "$@" 2>&1 | tail -n 1)"; }
ip link set lo up
install -m 0644 deploy/systemd/*.service /etc/systemd/system/
install -D -m 0644 deploy/tmpfiles.d/triptych.conf /etc/tmpfiles.d/triptych.conf
install -D -m 0644 deploy/sysusers.d/triptych.conf /etc/sysusers.d/triptych.conf
systemd-tmpfiles --create triptych.conf
systemd-sysusers triptych.conf
systemctl daemon-reload
for words in init "issue --controller 127.0.0.1" "issue h1"; do triptych pki $words; done
pki=/etc/triptych/pki
install -m 0644 $pki/ca.crt /etc/triptych/ca.crt
install -m 0644 $pki/controllers/127.0.0.1.crt /etc/triptych/controller.crt
install -m 0400 -o triptych -g triptych $pki/controllers/127.0.0.1.key /etc/triptych/controller.key
install -m 0644 deploy/etc/controller.toml /etc/triptych/controller.toml
install -m 0644 $pki/hosts/h1.crt /etc/triptych/host.crt
install -m 0600 $pki/hosts/h1.key /etc/triptych/host.key
sed -e 's/192.0.2.9/127.0.0.1/' deploy/etc/agent.toml > /etc/triptych/agent.toml
ip link add under type veth peer name far
ip addr add 192.0.2.1/24 dev under
ip link set under up
ip netns add vm
ip link add vm0 type veth peer name eth0 address 02:00:00:00:01:01 netns vm
ip link set vm0 up

systemctl start triptych-controller
step "controller" systemctl is-active triptych-controller
step "controller's user" stat -c %U "/proc/$(systemctl show -P MainPID triptych-controller)"
triptych apply -f deploy/network.yaml
systemctl start triptych-agent
step "agent" systemctl is-active triptych-agent
step "attach" triptych attach acme/web-1 vm0
systemctl reload triptych-agent
# The signal was sent; from when the agent has it until it is ready again, the unit is "reloading". The state that
# is told is the one that was seen after a change: it may be another one in the next moment.
changed() { systemctl show -P StateChangeTimestampMonotonic triptych-agent; }
since=$(changed)
for _ in $(seq 600); do
    state=$(systemctl is-active triptych-agent)
    [ "$state" != active ] || [ "$(changed)" = "$since" ] || break
    sleep 0.05
done
step "reloaded" echo "$state"
systemctl kill --signal=KILL triptych-agent
for _ in $(seq 300); do
    triptych ports 2>/dev/null | grep -q live && break
    sleep 0.1
done
step "restarts" systemctl show -P NRestarts triptych-agent
step "after a kill" triptych ports
systemctl stop triptych-agent
step "stopped" systemctl is-active triptych-agent
step "what stays" ls /sys/fs/bpf/triptych
step "device stays" ip -o link show tri-vxlan
systemctl restart triptych-controller triptych-agent
# The agent looks for its controller while this begins; the other two hosts have no agent.
for _ in $(seq 20); do
    said=$(triptych apply -f deploy/network.yaml --wait 2 2>&1 | tail -n 1)
    case $said in *" on h2, h3") break ;; esac
done
step "after a restart" echo "$said"
systemctl stop triptych-controller
step "controller's end" systemctl show -P Result triptych-controller
step "done" echo yes
