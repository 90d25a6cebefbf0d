"""Larger maps in place of full ones, under traffic.

A program is bound to its maps when it is loaded. So the programs are loaded once more,
over larger maps that have every row already, and take the place of those that run,
interface by interface, each between two packets. Until all are exchanged nothing is
written: whichever program a packet meets, it finds the same rows. And nothing is written
before the last packet has left the former programs: it would find one table as it was and
the others as they will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from triptych.drivers.ebpf import loading
from triptych.drivers.ebpf.attach import Attacher
from triptych.drivers.ebpf.libbpf import Image
from triptych.drivers.ebpf.loading import Programs
from triptych.drivers.ebpf.localports import PORT_PROGRAM, LocalPorts
from triptych.drivers.ebpf.pinned import MAPS, PROGS, PinnedPlane
from triptych.errors import DataPlaneError, TriptychError
from triptych.kernel import bpffs, grace
from triptych.kernel.maps import BpfMap
from triptych.kernel.netdev import Netdev


class Enlarging:
    """For one open data plane. `programs` are those that run; `places`: which of them on the host's own interfaces."""

    def __init__(
        self,
        image: Image,
        programs: Programs,
        plane: PinnedPlane,
        pin_dir: Path,
        netdev: Netdev,
        attacher: Attacher,
        ports: LocalPorts,
        places: Mapping[int, str],
    ) -> None:
        self._image = image
        self._programs = programs
        self._plane = plane
        self._pin_dir = pin_dir
        self._netdev = netdev
        self._attacher = attacher
        self._ports = ports
        self._places = places
        self._is_torn = False

    def enlarge(self, rooms: Mapping[str, int]) -> None:
        """Give maps so much room; TriptychError or OSError with the former maps and programs in place."""
        made = loading.enlarge(self._image, self._plane.maps, rooms)
        try:
            self._put(made.programs, made.maps)
            grace.wait_for_programs()
        except (TriptychError, OSError):
            self._is_torn = True
            try:
                self.mend()
            finally:
                made.close()
            raise
        former = [self._plane.maps[name] for name in rooms]
        self._plane.maps.update(made.maps)
        self._programs.become(made.programs)
        self._plane.forget_programs()
        for item in former:
            item.close()

    def mend(self) -> None:
        """Before anything is written: take back an exchange that stopped half-way, as it could not be taken back then.

        DataPlaneError when it still cannot; no row may be written, for not every packet would find it.
        """
        if not self._is_torn:
            return
        try:
            self._put(self._programs, self._plane.maps)
            grace.wait_for_programs()
        except (TriptychError, OSError) as error:
            raise DataPlaneError(
                f"cannot go back to the tables before they grew: {error}; start the agent anew"
            ) from error
        self._is_torn = False

    def _put(self, programs: Programs, maps: Mapping[str, BpfMap]) -> None:
        """Pin maps and programs, and run the programs on every interface that is still there."""
        for name, item in maps.items():
            bpffs.pin_over(item.fd, self._pin_dir / MAPS / name)
        for ifindex, name in {**self._places, **dict.fromkeys(self._ports.programmed(), PORT_PROGRAM)}.items():
            try:
                self._attacher.attach(ifindex, programs[name])
            except OSError:
                if ifindex in self._netdev.links():
                    raise
        programs.pin(self._pin_dir / PROGS)
