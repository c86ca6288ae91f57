"""Drives at command level that behave, fail and lie on request: what a wipe is tested against where no drive is.

A drive here is a program over an image file. It takes SCSI command blocks, as every ATA and SAS drive on Linux does
(ATA commands inside ATA PASS-THROUGH), so that the same model answers unit tests in one process and, behind the
kernel (`tests.drives.tcmu`), the real hdparm, smartctl and sg3-utils.

How to use one in a test:

    clock = SimulatedClock()
    drive = SatDrive(AtaDrive(AtaSpec(sectors=20_480), tmp_path / "ssd.img", clock=clock))
    drive.tell(Lie.KEEPS_ONE_BLOCK)                # from now on; `drive.stop(lie)` ends it, `drive.lies` lists them
    status, data_in, sense = drive.command(cdb, data_out)
    clock.pass_time(30)                            # a sanitize goes on while time passes
    clock.at(clock.now() + 2, drive.cut_power)     # something that happens in the middle of a blocking command
    drive.power_cycle()                            # volatile cache lost, locks locked, sanitize goes on
    drive.chip_off()                               # what a laboratory would find in the chips: the image's bytes

* `command` returns a `Reply`: SCSI status (0 good, 2 check condition), data, sense (fixed or descriptor format).
* `command` raises `NeverAnswers` when the drive hangs: the caller decides how long "for ever" is. After that only a
  power cycle helps. A drive without power raises `NoPower`.
* Blocking commands (SECURITY ERASE UNIT, FORMAT UNIT without IMMED) let the clock pass inside `command`.
* Nothing here proves anything about real firmware: docs/lab-drives.md says what it does not show.
"""
