#!/usr/bin/env python3
"""to_raw.py IMAGE OUT.raw: any volume nibabel reads, as tests/bench/register_pair takes it.

One line "nx ny nz type a00 a01 a02 a03 ... a23" (voxel to world, LPS mm, by rows), then the voxels, x fastest. Types other
than u8, i16 and u16 become f32; a header's intensity scaling is applied to those only, since registration does not see it.
"""

import sys

import nibabel
import numpy

TYPES = {"uint8": "u8", "int8": "i8", "int16": "i16", "uint16": "u16"}


def main(source, target):
    image = nibabel.load(source)
    stored = numpy.squeeze(numpy.asanyarray(image.dataobj))
    if stored.ndim != 3:
        sys.exit(f"to_raw.py: {source} is not one volume of three axes.")
    kind = TYPES.get(str(stored.dtype), "f32")
    voxels = stored if kind != "f32" else stored.astype(numpy.float32)
    lps = numpy.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    header = [*map(str, voxels.shape), kind, *(repr(float(v)) for v in lps[:3].ravel())]
    with open(target, "wb") as out:
        out.write((" ".join(header) + "\n").encode())
        out.write(voxels.tobytes(order="F"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
