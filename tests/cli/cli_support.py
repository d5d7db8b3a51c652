"""Helpers of the command-line tests: run the program, make small pairs, compare results."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import nibabel
    import numpy as np
    import SimpleITK as sitk
except ImportError as missing:
    print(f"skipped: {missing}; install packaging/test-requirements.txt")
    sys.exit(77)

GIGAWARP = os.environ["GIGAWARP"]
SOURCE = pathlib.Path(os.environ["GIGAWARP_SOURCE"])

OK, INTERNAL, USAGE, BAD_INPUT, DOES_NOT_FIT, CANCELLED, DEVICE_FAULT, NOT_WRITTEN = range(8)
OUTPUTS = ["0GenericAffine.mat", "1Warp.nii.gz", "1InverseWarp.nii.gz", "warped.nii.gz"]


def start(*arguments, **options):
    """The program as a running process with its streams as pipes."""
    return subprocess.Popen([GIGAWARP, *map(str, arguments)], stdin=subprocess.DEVNULL if "stdin" not in options
                            else options.pop("stdin"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **options)


def run(*arguments, **options):
    """The program, to its end."""
    return subprocess.run([GIGAWARP, *map(str, arguments)], capture_output=True, text=True, timeout=500, **options)


def peak_bytes(*arguments, **options):
    """The most memory that the program held until its end, which must be a success. A process counts what its parent
    held when it was forked: a small one stands between."""
    told = subprocess.run([sys.executable, "-c", "import resource, subprocess, sys\n"
                           "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
                           "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)", GIGAWARP,
                           *map(str, arguments)], capture_output=True, text=True, timeout=500, check=True, **options)
    return 1024 * int(told.stdout)


def head(shape, shift=(0.0, 0.0, 0.0), bend=0.0, seed=1):
    """A textured ellipsoid, smooth enough to register; displaced by `shift` voxels and bent by a sine."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*[np.arange(n, dtype=float) for n in shape], indexing="ij")
    x = [g - s for g, s in zip(grid, shift)]
    x[0] = x[0] + bend * np.sin(2 * np.pi * grid[1] / shape[1])
    radius = sum(((c - (n - 1) / 2) / (0.36 * n)) ** 2 for c, n in zip(x, shape))
    image = 400.0 / (1 + np.exp(8 * (radius - 1)))
    for _ in range(24):
        centre = [(0.25 + 0.5 * rng.random()) * n for n in shape]
        width = 0.05 + 0.08 * rng.random()
        distance = sum(((c - m) / (width * n)) ** 2 for c, m, n in zip(x, centre, shape))
        image += (300 * rng.random() - 120) * np.exp(-0.5 * distance)
    return np.clip(image, 0, None)


def save(array, path, spacing=1.0, affine=None, dtype=np.float32):
    """Writes NIfTI with a RAS affine."""
    if affine is None:
        affine = np.diag([spacing] * 3 + [1.0])
        affine[:3, 3] = [-spacing * (n - 1) / 2 for n in array.shape[:3]]
    image = nibabel.Nifti1Image(np.asarray(array).astype(dtype), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, str(path))
    return path


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def digests(folder, names=tuple(OUTPUTS)):
    return {name: digest(pathlib.Path(folder) / name) for name in names}


def leftovers(folder):
    """Names below a folder, hidden ones too."""
    folder = pathlib.Path(folder)
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) if folder.exists() else []


def result(folder):
    return json.loads((pathlib.Path(folder) / "result.json").read_text())


class PairCase(unittest.TestCase):
    """Cases that share one folder with a small pair: fixed, moving, labels."""

    shape = (40, 48, 36)

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="gigawarp-")
        cls.folder = pathlib.Path(cls.temporary.name)
        fixed = head(cls.shape)
        moving = head(cls.shape, shift=(1.5, -2.0, 1.0), bend=1.5)
        cls.fixed = save(fixed, cls.folder / "fixed.nii.gz", 2.0)
        cls.moving = save(moving, cls.folder / "moving.nii.gz", 2.0)
        cls.fixed_labels = save(1 + (fixed > 250) + (fixed > 420), cls.folder / "fixed_labels.nii.gz", 2.0,
                                dtype=np.uint8)
        cls.moving_labels = save(1 + (moving > 250) + (moving > 420), cls.folder / "moving_labels.nii.gz", 2.0,
                                 dtype=np.uint8)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def register(self, out, *arguments, expect=OK, fixed=None, moving=None, preset="fast"):
        """A run of a fast preset that must end with the exit code `expect`; returns the finished process."""
        settings = [] if preset is None else ["--preset", preset]
        process = run("register", "--fixed", fixed or self.fixed, "--moving", moving or self.moving, "--out",
                      self.folder / out, *settings, *arguments)
        self.assertEqual(process.returncode, expect, process.stderr)
        return process

    def assert_one_sentence(self, process, *words):
        """stderr ends with one sentence of the program that has the words."""
        lines = [line for line in process.stderr.splitlines() if line.startswith("gigawarp: ")
                 and not line.startswith("gigawarp: warning: ")]
        self.assertEqual(len(lines), 1, process.stderr)
        self.assertTrue(lines[0].rstrip().endswith((".", "?")), lines[0])
        for word in words:
            self.assertIn(word, lines[0])
        self.assertNotIn("terminate called", process.stderr)
