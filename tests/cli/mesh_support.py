"""Surfaces for the command-line tests: a ball, files of it, and readers of the plainest kind."""

import csv
import pathlib
import struct

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel import gifti

from cli_support import BAD_INPUT, OK, PairCase, leftovers, run

FLIP = np.array([-1.0, -1.0, 1.0])


def ball(n=12, radius=20.0, centre=(3.0, -4.0, 5.0)):
    """A closed surface of triangles that look outwards: points in mm, corners."""
    rings = [(np.pi * i / n, 2 * np.pi * j / (2 * n)) for i in range(1, n) for j in range(2 * n)]
    points = [(np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)) for t, p in rings] + [(0, 0, 1), (0, 0, -1)]
    north, south, wide, faces = len(rings), len(rings) + 1, 2 * n, []
    for j in range(wide):
        k = (j + 1) % wide
        faces += [(north, j, k), (south, (n - 2) * wide + k, (n - 2) * wide + j)]
        for i in range(n - 2):
            a, b, c, d = i * wide + j, i * wide + k, (i + 1) * wide + j, (i + 1) * wide + k
            faces += [(a, c, b), (b, c, d)]
    return np.float32(radius) * np.float32(points) + np.float32(centre), np.array(faces)


def enclosed(points, faces):
    p, q, r = (np.float64(points)[faces[:, c]] for c in range(3))
    return np.einsum("ij,ij->", p, np.cross(q, r)) / 6


# Writers and readers of the plainest kind, for what no package at hand reads.

PLY_TYPES = {"float": "f4", "double": "f8", "uchar": "u1", "int": "i4", "uint": "u4", "short": "i2"}


def write_ply(path, points, faces, encoding="binary_little_endian", comment="", normals=True, kind="float"):
    colours = np.arange(len(points)) % 251
    order = ">" if "big" in encoding else "<"
    fields = [(a, order + PLY_TYPES[kind]) for a in "xyz"]
    fields += [(a, order + "f4") for a in ("nx", "ny", "nz")] if normals else []
    fields += [("red", "u1"), ("label", order + "i4")]
    vertex = np.zeros(len(points), fields)
    for axis, name in enumerate("xyz"):
        vertex[name] = points[:, axis]
    vertex["red"], vertex["label"] = colours, 1000 + np.arange(len(points))
    face = np.zeros(len(faces), [("n", "u1"), ("corners", order + "i4", 3), ("part", order + "i2")])
    face["n"], face["corners"], face["part"] = 3, faces, np.arange(len(faces)) % 7
    names = {"f4": "float", "f8": "double", "u1": "uchar", "i4": "int"}
    header = ["ply", f"format {encoding} 1.0", "comment made by hand"] + ([f"comment {comment}"] if comment else [])
    header += [f"element vertex {len(points)}"]
    header += [f"property {names[code.strip('<>')]} {name}" for name, code in fields]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "property short part"]
    body = vertex.tobytes() + face.tobytes()
    if encoding == "ascii":
        rows = [" ".join(repr(float(v)) if isinstance(v, np.floating) else str(v) for v in row) for row in vertex]
        rows += [f"3 {' '.join(map(str, row['corners']))} {row['part']}" for row in face]
        body = ("\n".join(rows) + "\n").encode()
    path.write_bytes(("\n".join(header + ["end_header\n"])).encode() + body)
    return path


def read_ply(path):
    """Every property of the points, and corners and `part` of the faces."""
    head, body = path.read_bytes().split(b"end_header\n", 1)
    lines = [line.split() for line in head.decode().splitlines()]
    encoding = next(w[1] for w in lines if w[0] == "format")
    order = ">" if "big" in encoding else "<"
    counts = {w[1]: int(w[2]) for w in lines if w[0] == "element"}
    start = next(i for i, w in enumerate(lines) if w[:2] == ["element", "vertex"]) + 1
    end = next(i for i, w in enumerate(lines) if w[:2] == ["element", "face"])
    fields = [(w[2], order + PLY_TYPES[w[1]]) for w in lines[start:end] if w[0] == "property"]
    kind = [("n", "u1"), ("corners", order + "i4", 3), ("part", order + "i2")]
    if encoding == "ascii":
        rows = [line.split() for line in body.decode().splitlines()]
        vertex = np.array([tuple(map(float, row)) for row in rows[:counts["vertex"]]], fields)
        face = np.array([(3, tuple(map(int, row[1:4])), int(row[4])) for row in rows[counts["vertex"]:]], kind)
    else:
        vertex = np.frombuffer(body, fields, counts["vertex"])
        face = np.frombuffer(body, kind, counts["face"], vertex.nbytes)
        assert len(body) == vertex.nbytes + face.nbytes, "nothing follows"
    assert len(face) == counts["face"]
    return head.decode(), vertex, np.stack([vertex[a].astype(float) for a in "xyz"], 1), face


def write_stl(path, points, faces, header=b"", text=False):
    if text:
        lines = ["solid ball " + header.decode()]
        for face in faces:
            lines += ["facet normal 0 0 1", " outer loop", *("  vertex %.9g %.9g %.9g" % tuple(points[i]) for i in face),
                      " endloop", "endfacet"]
        path.write_text("\n".join([*lines, "endsolid ball\n"]))
        return path
    facet = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")])
    facet["normal"], facet["corners"], facet["colour"] = (0, 0, 1), points[faces], np.arange(len(faces))
    path.write_bytes(header.ljust(80) + struct.pack("<I", len(faces)) + facet.tobytes())
    return path


def read_stl(path):
    """Normals and corners of the facets, and their two bytes."""
    data = path.read_bytes()
    if data.startswith(b"solid"):
        words = data.decode().split()
        values = lambda name: [[float(v) for v in words[i + 1:i + 4]] for i, w in enumerate(words) if w == name]  # noqa: E731
        return np.array(values("normal")), np.array(values("vertex")).reshape(-1, 3, 3), None
    count, = struct.unpack("<I", data[80:84])
    assert len(data) == 84 + 50 * count
    facet = np.frombuffer(data, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("colour", "<u2")], count, 84)
    return facet["normal"].astype(float), facet["corners"].astype(float), facet["colour"]


def write_obj(path, points, faces, header=()):
    lines = [f"# {line}" for line in header] + ["mtllib skin.mtl", "o ball"]
    lines += ["v %.9g %.9g %.9g 0.5 0.25 1" % tuple(p) for p in points]
    lines += ["vt 0.5 0.25"] + ["vn 0 0 1"] + ["g first", "usemtl skin"]
    lines += ["f " + " ".join(f"{i + 1}/1/1" for i in face) for face in faces[:-2]]
    lines += ["g last", "f " + " ".join(f"{i + 1}//1" for i in faces[-2]),
              "f " + " ".join(str(i - len(points)) for i in faces[-1])]
    path.write_text("\n".join(lines) + "\n")
    return path


def read_obj(path):
    lines = path.read_text().splitlines()
    points = np.array([[float(v) for v in line.split()[1:4]] for line in lines if line.startswith("v ")])
    faces = np.array([[int(w.split("/")[0]) - 1 for w in line.split()[1:]] for line in lines if line.startswith("f ")])
    return lines, points, faces


def gifti_values(values):
    return gifti.GiftiDataArray(values, "NIFTI_INTENT_SHAPE")


def write_gifti(path, points, faces, encoding="GIFTI_ENCODING_B64GZ", system=None, meta=None, more=()):
    arrays = [gifti.GiftiDataArray(np.float32(points), "NIFTI_INTENT_POINTSET", encoding=encoding, coordsys=system,
                                   meta=meta or {"AnatomicalStructurePrimary": "CortexLeft"}),
              gifti.GiftiDataArray(np.int32(faces), "NIFTI_INTENT_TRIANGLE", encoding=encoding), *more]
    nibabel.save(gifti.GiftiImage(darrays=arrays, meta=gifti.GiftiMetaData({"Name": "ball"})), path)
    return path


def points_of(path):
    return nibabel.load(path).agg_data("pointset").astype(float)


class Meshes(PairCase):
    """Cases with the ball, a warp and an affine."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        phantom = run("phantom", "--size", "32", "--out", cls.folder / "phantom")
        assert phantom.returncode == OK, phantom.stderr
        cls.points, cls.faces = ball()
        cls.affine = sitk.AffineTransform(3)
        cls.affine.SetMatrix([1.1, 0.02, 0, -0.03, 0.9, 0.05, 0, 0.01, 1.05])
        cls.affine.SetTranslation([4, -5, 6])
        cls.matrix = cls.folder / "affine.mat"
        sitk.WriteTransform(cls.affine, str(cls.matrix))
        cls.identity = cls.folder / "identity.tfm"
        sitk.WriteTransform(sitk.AffineTransform(3), str(cls.identity))
        cls.warp = [cls.folder / "phantom" / "true_warp.nii.gz", cls.matrix]

    def apply(self, mesh, out, *transforms, more=(), expect=OK):
        process = run("apply", "--mesh", mesh, "--transform", *(transforms or self.warp), "--out", self.folder / out, *more)
        self.assertEqual(process.returncode, expect, process.stderr)
        return process

    def by_points(self, points, *transforms, more=()):
        """Where --points leads the same coordinates, LPS mm."""
        table, out = self.folder / "points.csv", self.folder / "points_out.csv"
        table.write_text("name,x,y,z\n" + "".join(f"p{i},%.9g,%.9g,%.9g\n" % tuple(p) for i, p in enumerate(points)))
        process = run("apply", "--points", table, "--transform", *(transforms or self.warp), "--out", out, *more)
        self.assertEqual(process.returncode, OK, process.stderr)
        return np.array([[float(v) for v in row[1:4]] for row in list(csv.reader(out.read_text().splitlines()))[1:]])

    def assert_close(self, points, expected, atol=1e-4):
        np.testing.assert_allclose(points, expected, rtol=0, atol=atol)

    def assert_refused(self, mesh, *words, expect=BAD_INPUT, out=None, more=()):
        out = self.folder / (out or "refused" + pathlib.Path(mesh).suffix)
        process = run("apply", "--mesh", mesh, "--transform", self.matrix, "--out", out, *more)
        self.assertEqual(process.returncode, expect, process.stderr)
        self.assert_one_sentence(process, *words)
        self.assertFalse(out.exists())
        self.assertEqual([name for name in leftovers(self.folder) if ".part-" in name], [])
