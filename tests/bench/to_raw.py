#!/usr/bin/env python3
"""to_raw.py IMAGE OUT.raw: any volume nibabel reads, or a NRRD file (pynrrd), as tests/bench/register_pair takes it.
to_raw.py POINTS.fcsv OUT.txt: the same of 3D Slicer's landmarks.

One line "nx ny nz type a00 a01 a02 a03 ... a23" (voxel to world, LPS mm, by rows), then the voxels, x fastest. Axes run to
L, P and S, as the program turns them before a run. Types other than u8, i8, i16 and u16 become f32; a header's intensity
scaling is applied to those only, since registration does not see it.
"""

import sys

import nibabel
import numpy

TYPES = {"uint8": "u8", "int8": "i8", "int16": "i16", "uint16": "u16"}


def points(source, target):
    rows = [line.strip().split(",") for line in open(source)]
    system = next((row[0].split("=")[1].strip() for row in rows if row[0].startswith("# CoordinateSystem")), "RAS")
    sign = -1 if system in ("0", "RAS") else 1
    with open(target, "w") as out:
        for row in rows:
            if not row[0].startswith("#") and len(row) > 11:
                x, y, z = map(float, row[1:4])
                out.write(f"{row[11].replace(' ', '_')} {sign * x} {sign * y} {z}\n")


def read_nibabel(source):
    image = nibabel.load(source)
    return numpy.asanyarray(image.dataobj), numpy.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine


def read_nrrd(source):
    import nrrd

    voxels, header = nrrd.read(source)
    if header.get("space", "left-posterior-superior") != "left-posterior-superior":
        sys.exit(f"to_raw.py: {source} is in the space {header['space']}; only LPS and unnamed ones are read here.")
    lps = numpy.eye(4)
    lps[:3, :3] = header["space directions"].T
    lps[:3, 3] = header.get("space origin", numpy.zeros(3))
    if header.get("space units", [""])[0].startswith("micron"):
        lps[:3] /= 1000
    return voxels, lps


def main(source, target):
    if source.endswith(".fcsv"):
        points(source, target)
        return
    stored, lps = read_nrrd(source) if source.endswith(".nrrd") else read_nibabel(source)
    stored = numpy.squeeze(stored)
    if stored.ndim != 3:
        sys.exit(f"to_raw.py: {source} is not one volume of three axes.")
    turn = nibabel.io_orientation(lps)
    lps = lps @ nibabel.orientations.inv_ornt_aff(turn, stored.shape)
    stored = nibabel.apply_orientation(stored, turn)
    kind = TYPES.get(str(stored.dtype), "f32")
    voxels = stored if kind != "f32" else stored.astype(numpy.float32)
    header = [*map(str, voxels.shape), kind, *(repr(float(v)) for v in lps[:3].ravel())]
    with open(target, "wb") as out:
        out.write((" ".join(header) + "\n").encode())
        out.write(voxels.tobytes(order="F"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
