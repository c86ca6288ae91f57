"""Record what the real tools say to simulated drives: tests/captures/ata-sim and tests/captures/scsi-sim.

Run as root in the lab's guest: `python -m tests.drives.capture FOLDER [SCENE...]`. Each scene is one drive and one
story; its file is a capture as `station.run.save` writes it, with the tools' real words, exit codes and times. The
drives are ours, so nothing in them is anybody's.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from station.run import save
from tests.drives.scene import Scene
from tests.drives.scenes_ata import ATA
from tests.drives.scenes_scsi import SCSI


def main(argv: Sequence[str]) -> int:
    """Play the scenes, all or the named ones, and write one file each."""
    folder = Path(argv[0])
    for kind, scenes in (("ata", ATA), ("scsi", SCSI)):
        target = folder / f"{kind}-sim"
        target.mkdir(parents=True, exist_ok=True)
        for name, (story, wish) in scenes.items():
            if argv[1:] and f"{kind}/{name}" not in argv[1:]:
                continue
            scene = Scene(kind, Path("/dev/shm"), **wish)
            try:
                story(scene)
            finally:
                scene.bay.close()
            save(scene.run.transcript, target / f"{name}.json")
            print(f"{kind}/{name}: {len(scene.run.transcript)} commands", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
