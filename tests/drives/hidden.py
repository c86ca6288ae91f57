"""Sectors that a drive has and does not show: HPA and DCO (ACS-2, 4.10 and 4.8), AMA (ACS-3, 4.2)."""

import struct

from tests.drives.ataspec import AtaSpec
from tests.drives.lies import Lie, Lies
from tests.drives.taskfile import Abort, Answer, Taskfile

DCO_RESTORE, DCO_FREEZE, DCO_IDENTIFY, DCO_SET = 0xC0, 0xC1, 0xC2, 0xC3


class Hidden:
    """How much of a drive is visible now, and after the next power-on."""

    def __init__(self, spec: AtaSpec, lies: Lies) -> None:
        self._spec, self._lies = spec, lies
        self.real = spec.sectors
        self.native = spec.dco_sectors or spec.sectors
        self.kept = min(spec.hpa_sectors or self.native, self.native)
        self.visible = self.kept
        self.set_once = False
        self.dco_frozen = False
        self._read_native_just_now = False
        self.power_on()

    def power_on(self) -> None:
        """Volatile settings are gone, kept ones count, and an HPA that returns is back."""
        if Lie.HPA_RETURNS in self._lies:
            self.kept = min(self.native, self._lies.number(Lie.HPA_RETURNS, self.native * 9 // 10))
        self.visible = min(self.kept, self.native)
        self.set_once = False
        self.dco_frozen = Lie.DCO_FROZEN in self._lies

    def shrink(self, sectors: int) -> None:
        """The drive loses sectors for good."""
        self.real, self.native = min(self.real, sectors), min(self.native, sectors)
        self.kept, self.visible = min(self.kept, sectors), min(self.visible, sectors)

    def other_command(self) -> None:
        """SET MAX ADDRESS must follow READ NATIVE MAX ADDRESS at once; anything else came between."""
        self._read_native_just_now = False

    def read_native(self) -> Answer:
        """READ NATIVE MAX ADDRESS (EXT)."""
        if self._spec.hidden != "hpa":
            raise Abort
        self._read_native_just_now = True
        return Answer(lba=self.native - 1)

    def set_max(self, task: Taskfile) -> Answer:
        """SET MAX ADDRESS (EXT): bit 0 of the count makes it last; one such command per power-on."""
        just_read, self._read_native_just_now = self._read_native_just_now, False
        if self._spec.hidden != "hpa" or not just_read or (self.set_once and task.count & 1):
            raise Abort
        return self._set(task.sector + 1, keep=bool(task.count & 1))

    def accessible(self, task: Taskfile) -> Answer:
        """78h: GET NATIVE MAX, SET ACCESSIBLE MAX, FREEZE ACCESSIBLE MAX ADDRESS EXT by the features field."""
        if self._spec.hidden != "ama":
            raise Abort
        if task.features == 0:
            return Answer(lba=self.native - 1)
        if task.features != 1 or self.set_once:
            raise Abort
        return self._set(task.lba + 1, keep=True)

    def _set(self, sectors: int, *, keep: bool) -> Answer:
        if sectors > self.native:
            raise Abort(0x10)
        self.visible = sectors
        if keep:
            self.kept, self.set_once = sectors, True
        return Answer(lba=sectors - 1)

    def configuration(self, task: Taskfile, data: bytes) -> Answer:
        """DEVICE CONFIGURATION: restore, freeze lock, identify, set."""
        wanted = task.features & 0xFF
        if not self._spec.dco or self.dco_frozen:
            raise Abort
        if wanted == DCO_IDENTIFY:
            return Answer(data=self._dco_identify())
        if wanted == DCO_FREEZE:
            self.dco_frozen = True
            return Answer()
        if self.visible != self.native:  # aborted while an HPA is set
            raise Abort
        if wanted == DCO_RESTORE:
            self.native = self.kept = self.visible = self.real
            return Answer()
        if wanted == DCO_SET and len(data) == 512:
            sectors = struct.unpack_from("<Q", data, 6)[0] + 1
            if not 0 < sectors <= self.native:
                raise Abort
            self.native = self.kept = self.visible = sectors
            return Answer()
        raise Abort

    def _dco_identify(self) -> bytes:
        """Return the factory's configuration: word 3 has the real last sector."""
        words = [0] * 256
        words[0], words[1], words[2] = 0x0002, 0x0007, 0x007F
        for at in range(4):
            words[3 + at] = (self.real - 1) >> (16 * at) & 0xFFFF
        words[7] = 0x01CF | (0x0008 if self._spec.security else 0)
        data = struct.pack("<255H", *words[:255]) + b"\xa5"
        return data + bytes([-sum(data) & 0xFF])
