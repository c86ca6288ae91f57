"""The guest's first two seconds: a busybox initramfs that makes the host's files its own, read-only.

Promises: nothing of the host is ever written (the 9p export is read-only, the overlay's upper layer is memory), and
every path of the host means the same in the guest, so the checkout and its environment run there as they are.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

BUSYBOX = Path("/bin/busybox")

MODULES = (
    "virtio_pci", "virtio_console", "virtio_rng", "virtio_blk", "9pnet_virtio", "9p", "overlay", "ext4",
)  # fmt: skip
"""What must be there before the host's files are; everything else is loaded from them by udev."""

INIT = r"""#!/bin/sh
# Parameters come from the kernel's command line: kitbank.python= kitbank.agent= kitbank.modules= kitbank.home=
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module" || echo "lab: no $module"; done < /modules/order
for word in $(cat /proc/cmdline); do
    case "$word" in
        kitbank.python=*) python="${word#*=}" ;;
        kitbank.agent=*) agent="${word#*=}" ;;
        kitbank.modules=*) modules="${word#*=}" ;;
        kitbank.home=*) home="${word#*=}" ;;
    esac
done
mount -t tmpfs -o mode=755,size=90% memory /upper
mkdir -p /upper/files /upper/work
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 host /lower || exec sh
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /new || exec sh
ip link set lo up
hostname lab
cd /new
mkdir -p proc sys dev run tmp lib/modules
mount --move /proc proc; mount --move /sys sys; mount --move /dev dev
mkdir -p dev/pts dev/shm
mount -t devpts -o gid=5,mode=620 devpts dev/pts
mount -t tmpfs shm dev/shm
mount -t tmpfs -o mode=755 run run
chmod 1777 tmp
mkdir -p run/lock run/udev
mount --bind "/new$modules" lib/modules
mount -t debugfs debug sys/kernel/debug
chroot . modprobe configfs; mount -t configfs config sys/kernel/config
# The host's mounts mean nothing here, and neither do its ideas of what to mount or to start.
rm -f etc/mtab; ln -s ../proc/self/mounts etc/mtab; : > etc/fstab
echo /sbin/modprobe > proc/sys/kernel/modprobe
if [ -n "$home" ]; then
    disk=$(basename "$(dirname "$(grep -l '^kitbank-home' sys/block/vd*/serial)")")
    mkdir -p ".$home"
    mount -t ext4 -o noatime "dev/$disk" ".$home" || echo "lab: no home"
fi
chroot . /lib/systemd/systemd-udevd --daemon
# udevadm does nothing in what it takes for a chroot; this one is about to be the root.
export SYSTEMD_IGNORE_CHROOT=1
chroot . udevadm trigger --type=subsystems --action=add
chroot . udevadm trigger --type=devices --action=add
unset SYSTEMD_IGNORE_CHROOT
exec switch_root . "$python" -I -S "$agent" <dev/console >dev/console 2>&1
"""


def _digest(release: str) -> str:
    """Return what an initramfs of this source and this kernel is known by."""
    return hashlib.sha256("\n".join((release, *MODULES, INIT)).encode()).hexdigest()


def is_current(image: Path, release: str) -> bool:
    """Say whether the image was built by this file for this kernel."""
    stamp = image.with_suffix(".stamp")
    return image.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == _digest(release)


def build(image: Path, modules: Path) -> None:
    """Pack the initramfs; `modules` is the folder of one kernel release. Raises `CalledProcessError`."""
    with tempfile.TemporaryDirectory(prefix="kitbank-initramfs-") as made:
        root = Path(made)
        for folder in ("bin", "proc", "sys", "dev", "lower", "upper", "new", "modules"):
            (root / folder).mkdir()
        shutil.copy(BUSYBOX, root / "bin" / "busybox")
        (root / "bin" / "sh").symlink_to("busybox")
        order: list[str] = []
        for file in _files(modules):
            name = f"{len(order):02}-{file.name}"
            shutil.copy(file, root / "modules" / name)
            order.append(name)
        (root / "modules" / "order").write_text("".join(f"{name}\n" for name in order), encoding="utf-8")
        (root / "init").write_text(INIT, encoding="utf-8")
        (root / "init").chmod(0o755)
        names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        packed = subprocess.run(
            ["cpio", "--create", "--format=newc", "--quiet", "--owner=+0:+0"],
            input=names.encode(), cwd=root, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    image.write_bytes(packed.stdout)
    image.with_suffix(".stamp").write_text(_digest(modules.name), encoding="utf-8")


def _files(modules: Path) -> list[Path]:
    """Return the files of `MODULES` and of what they need, in the order in which they can be loaded."""
    files: list[Path] = []
    for module in MODULES:
        shown = subprocess.run(
            ["modprobe", "--dirname", str(modules.parents[2]), "--set-version", modules.name, "--show-depends", module],
            check=True, capture_output=True, text=True, timeout=30,
        ).stdout  # fmt: skip
        for line in shown.splitlines():
            word, _, rest = line.partition(" ")
            file = Path(rest.split(" ")[0]) if word == "insmod" else None
            if file and file not in files:
                files.append(file)
    return files
