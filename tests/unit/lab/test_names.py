"""Names of namespaces, links and pins: short enough, never two things under one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.errors import InputError
from triptych.lab import names

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
LABS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", fullmatch=True)


@given(LABS, NAMES, LABS, NAMES)
def test_two_hosts_never_share_a_name(lab: str, host: str, other_lab: str, other_host: str) -> None:
    """Hosts of different names or labs have different namespaces and pins, and a prefix is of one lab alone."""
    same = (lab, host) == (other_lab, other_host)
    assert (names.host_namespace(lab, host) == names.host_namespace(other_lab, other_host)) == same
    assert (names.pin_name(lab, host) == names.pin_name(other_lab, other_host)) == same
    assert names.host_namespace(lab, host).startswith(names.prefix(other_lab)) == (lab == other_lab)


@given(LABS, NAMES, NAMES, NAMES)
def test_machines_of_different_kinds_never_share_a_name(lab: str, tenant: str, port: str, host: str) -> None:
    """A host, a VM and the spine of a lab have different namespaces, all with the lab's prefix."""
    found = {names.host_namespace(lab, host), names.vm_namespace(lab, tenant, port), names.spine_namespace(lab)}
    assert len(found) == 3
    assert all(name.startswith(f"tri-{lab}:") for name in found)


@given(LABS, NAMES, NAMES)
def test_names_fit_where_they_go(lab: str, tenant: str, port: str) -> None:
    """Links fit the kernel's 15 bytes, files its 255, and pins have no dot, which the BPF file system refuses."""
    assert len(names.port_link(f"{tenant}/{port}")) <= 15
    assert len(names.spine_link(port)) <= 15
    assert len(names.vm_namespace(lab, tenant, port)) <= 255
    assert "." not in names.pin_name(lab, port)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "../x", "-x", "x" * 41, "ä", "a\n"])
def test_a_bad_lab_name_is_refused(name: str) -> None:
    """A lab name that could not be part of a file name is refused, with what would be right."""
    with pytest.raises(InputError, match="choose another with --name"):
        names.check_lab(name)
