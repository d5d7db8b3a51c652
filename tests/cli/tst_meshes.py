"""Surfaces through `apply --mesh`: as --points moves the same coordinates, in every format; files read with other readers."""

import csv
import json
import pathlib
import re
import struct
import subprocess
import unittest

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel import gifti

from cli_support import BAD_INPUT, GIGAWARP, NOT_WRITTEN, OK, USAGE, PairCase, leftovers, run, save

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


class Meshes(PairCase):
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


class Ply(Meshes):
    def test_a_warp_moves_a_surface_as_it_moves_points(self):
        expected = self.by_points(self.points)
        self.assertGreater(np.abs(expected - self.points).max(), 1, "the warp is one")
        for encoding in ("ascii", "binary_little_endian", "binary_big_endian"):
            mesh = write_ply(self.folder / "ball.ply", self.points, self.faces, encoding)
            self.apply(mesh, "moved.ply")
            _, _, points, face = read_ply(self.folder / "moved.ply")
            self.assert_close(points, expected)
            np.testing.assert_array_equal(face["corners"], self.faces)
        self.apply(mesh, "moved.ply", more=["--inverse"])
        self.assert_close(read_ply(self.folder / "moved.ply")[2], self.by_points(self.points, more=["--inverse"]))

    def test_an_affine_moves_points_to_the_digit_of_itk(self):
        mesh = write_ply(self.folder / "double.ply", self.points, self.faces, kind="double")
        self.apply(mesh, "affine.ply", self.matrix)
        expected = [self.affine.TransformPoint([float(v) for v in p]) for p in self.points]
        self.assert_close(read_ply(self.folder / "affine.ply")[2], expected, 1e-9)

    def test_all_but_points_and_normals_stays(self):
        for encoding in ("ascii", "binary_little_endian", "binary_big_endian"):
            mesh = write_ply(self.folder / "all.ply", self.points, self.faces, encoding)
            self.assertIn("normals are left out", self.apply(mesh, "kept.ply", self.identity).stderr)
            head, vertex, points, face = read_ply(self.folder / "kept.ply")
            _, before, _, face_before = read_ply(mesh)
            self.assert_close(points, self.points, 0)
            for name in ("red", "label"):
                np.testing.assert_array_equal(vertex[name], before[name])
            np.testing.assert_array_equal(face, face_before)
            self.assertIn("comment made by hand", head)
            self.assertNotIn("nx", vertex.dtype.names)
        mesh = write_ply(self.folder / "bare.ply", self.points, self.faces, normals=False)
        self.apply(mesh, "kept.ply", self.identity)
        self.assertEqual((self.folder / "kept.ply").read_bytes(), mesh.read_bytes(), "to the byte")

    def test_whole_numbers_become_floats(self):
        mesh = write_ply(self.folder / "whole.ply", np.round(self.points), self.faces, kind="int")
        self.apply(mesh, "floats.ply", self.matrix)
        head, _, points, _ = read_ply(self.folder / "floats.ply")
        self.assertIn("property float x", head)
        self.assert_close(points, [self.affine.TransformPoint(p) for p in np.round(self.points).astype(float)])

    def test_axes_are_the_files_own_or_those_that_are_given(self):
        moved = self.by_points(self.points)
        plain = write_ply(self.folder / "plain.ply", self.points, self.faces)
        ras = write_ply(self.folder / "ras.ply", self.points * np.float32(FLIP), self.faces)
        says = write_ply(self.folder / "says.ply", self.points * np.float32(FLIP), self.faces, comment="SPACE=RAS")
        says_lps = write_ply(self.folder / "lps.ply", self.points, self.faces, comment="SPACE=LPS")
        for mesh, more, flip, guessed in ((plain, [], 1, True), (plain, ["--mesh-space", "lps"], 1, False),
                                          (ras, ["--mesh-space", "ras"], FLIP, False), (says, [], FLIP, False),
                                          (says_lps, [], 1, False), (says, ["--mesh-space", "ras"], FLIP, False)):
            process = self.apply(mesh, "axes.ply", more=more)
            self.assert_close(read_ply(self.folder / "axes.ply")[2] * flip, moved)
            self.assertEqual("taken as LPS" in process.stderr, guessed, process.stderr)
        self.assertIn("comment SPACE=RAS", read_ply(self.folder / "axes.ply")[0])
        self.assert_refused(says, "RAS", "--mesh-space", expect=USAGE, more=["--mesh-space", "lps"])
        self.assert_refused(plain, "lps or ras", expect=USAGE, more=["--mesh-space", "lsp"])

    def test_points_that_lead_nowhere_are_left_out_with_their_faces(self):
        field = np.zeros((10, 10, 10, 1, 3), np.float32)
        field[5:, :, :] = np.nan  # of RAS x above 2.5
        affine = np.diag([10.0, 10, 10, 1])
        affine[:3, 3] = -45
        warp = save(field, self.folder / "half.nii.gz", affine=affine)
        image = nibabel.load(warp)
        image.header.set_intent("vector")
        nibabel.save(image, warp)
        for encoding in ("ascii", "binary_little_endian", "binary_big_endian"):
            mesh = write_ply(self.folder / "ball.ply", self.points, self.faces, encoding, comment="SPACE=RAS")
            process = self.apply(mesh, "half.ply", warp)
            kept = self.by_points(self.points * FLIP, warp) * FLIP
            _, vertex, points, face = read_ply(self.folder / "half.ply")
            self.assertTrue(10 < len(kept) < len(self.points) - 10)
            self.assert_close(points, kept)
            of_before = vertex["label"] - 1000
            self.assert_close(points, self.points[of_before])
            whole = np.isin(self.faces, of_before).all(1)
            np.testing.assert_array_equal(of_before[face["corners"]], self.faces[whole])
            self.assertIn(f"{len(self.points) - len(kept)} of {len(self.points)} points", process.stderr)
            self.assertIn(f"with {np.sum(~whole)} faces", process.stderr)
        for name, write, read in (("half.stl", write_stl, read_stl), ("half.obj", write_obj, read_obj)):
            mesh = write(self.folder / ("whole_" + name), self.points, self.faces)
            process = self.apply(mesh, name, warp, more=["--mesh-space", "ras"])
            self.assertIn(f"with {np.sum(~whole)} faces", process.stderr)
            if name.endswith("obj"):
                _, points, faces = read(self.folder / name)
                self.assertEqual(len(points), len(kept))
                corners = points[faces]
            else:
                corners = read(self.folder / name)[1]
            self.assert_close(corners, self.points[self.faces[whole]])
        field[:] = np.nan
        image = nibabel.Nifti1Image(field, affine)
        image.header.set_intent("vector")
        nibabel.save(image, warp)
        process = self.apply(mesh, "none.obj", warp, expect=BAD_INPUT)
        self.assert_one_sentence(process, "no point where the transform is defined")

    def test_bad_files_get_one_sentence(self):
        good = write_ply(self.folder / "good.ply", self.points, self.faces).read_bytes()
        text = write_ply(self.folder / "good_text.ply", self.points, self.faces, "ascii").read_bytes()
        bad = self.folder / "bad.ply"
        for data, words in ((b"", "is empty"), (good[:36], "ends within its PLY header"), (good[:-30], "ends too early"),
                            (good[:2000], "too short"), (text[:-200], "in line"), (text.rsplit(b"\n", 2)[0], "ends too early"),
                            (b"plywood\n" + good, "is no PLY file"), (bytes(3000), "is no PLY file"),
                            (good.replace(b"element vertex", b"element vortex"), "holds no points"),
                            (good.replace(b"float y", b"float q"), "points without y"),
                            (good.replace(b"property float x", b"property floot x"), "cannot be understood in line 5"),
                            (text.replace(b"\n3 ", b"\n4 ", 1), "in line"),
                            (good.replace(b"vertex 2", b"vertex 987654321"), "too short")):
            bad.write_bytes(data)
            self.assert_refused(bad, words, "bad.ply")
        far = self.points.copy()
        far[7, 1] = np.nan
        self.assert_refused(write_ply(bad, far, self.faces), "not a number")
        self.assert_refused(write_ply(bad, far, self.faces, "ascii"), "no number in line")
        self.assert_refused(write_ply(bad, self.points, self.faces + 1), "a point that is not there")
        bad.write_bytes(write_ply(bad, self.points[:0], self.faces[:0]).read_bytes())
        self.assert_refused(bad, "holds no points")
        self.assert_refused(self.folder / "missing.ply", "does not exist")
        self.assert_refused(self.fixed, "is no surface that can be read", "GIFTI")

    def test_wrong_use_is_told(self):
        mesh = write_ply(self.folder / "use.ply", self.points, self.faces)
        before = mesh.read_bytes()
        self.assert_one_sentence(self.apply(mesh, "use.ply", expect=USAGE), "choose another name")
        self.assertEqual(mesh.read_bytes(), before)
        self.assert_refused(mesh, "ends in .ply", expect=USAGE, out="use.stl")
        self.assert_refused(mesh, "one of --input", expect=USAGE, more=["--input", self.moving])
        self.assert_refused(mesh, "does not exist", expect=NOT_WRITTEN, out="nowhere/use.ply")
        process = run("apply", "--mesh-space", "ras", "--points", mesh, "--transform", self.matrix, "--out", "x.csv")
        self.assertEqual(process.returncode, USAGE)
        self.assert_one_sentence(process, "--mesh-space")

    def test_a_mirror_image_is_told(self):
        mirror = sitk.AffineTransform(3)
        mirror.SetMatrix([-1, 0, 0, 0, 1, 0, 0, 0, 1])
        sitk.WriteTransform(mirror, str(self.folder / "mirror.tfm"))
        mesh = write_ply(self.folder / "hand.ply", self.points, self.faces)
        self.assertIn("mirrors", self.apply(mesh, "mirrored.ply", self.folder / "mirror.tfm").stderr)
        self.assertNotIn("mirrors", self.apply(mesh, "mirrored.ply", self.matrix).stderr)

    def test_progress_goes_forward(self):
        mesh = write_ply(self.folder / "progress.ply", self.points, self.faces)
        text = self.apply(mesh, "moved.ply", more=["--progress", "json"]).stdout
        fractions = [json.loads(line)["fraction"] for line in text.splitlines()]
        self.assertEqual(fractions, sorted(fractions))
        self.assertEqual(fractions[-1], 1)


class Stl(Meshes):
    def test_a_warp_moves_corners_and_makes_normals_anew(self):
        expected = self.by_points(self.points)[self.faces]
        for text in (False, True):
            mesh = write_stl(self.folder / "ball.stl", self.points, self.faces, text=text)
            self.apply(mesh, "moved.stl")
            normals, corners, colours = read_stl(self.folder / "moved.stl")
            self.assert_close(corners, expected)
            cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            self.assert_close(normals, cross / np.linalg.norm(cross, axis=1, keepdims=True), 1e-3)
            if not text:
                np.testing.assert_array_equal(colours, np.arange(len(self.faces)))
            else:
                self.assertTrue((self.folder / "moved.stl").read_text().startswith("solid ball"))

    def test_the_header_says_the_axes(self):
        moved = self.by_points(self.points)[self.faces]
        for text in (False, True):
            mesh = write_stl(self.folder / "ras.stl", self.points * np.float32(FLIP), self.faces,
                             b"3D Slicer output. SPACE=RAS", text)
            self.apply(mesh, "ras_moved.stl")
            self.assert_close(read_stl(self.folder / "ras_moved.stl")[1] * FLIP, moved)
            self.assertIn(b"SPACE=RAS", (self.folder / "ras_moved.stl").read_bytes()[:100])

    def test_bad_files_get_one_sentence(self):
        good = write_stl(self.folder / "good.stl", self.points, self.faces).read_bytes()
        text = write_stl(self.folder / "text.stl", self.points, self.faces, text=True).read_text()
        bad = self.folder / "bad.stl"
        for data, words in ((good[:-7], "not written completely"), (good[:60], "no STL file"), (good + b"x", "another length"),
                            (b"", "is empty"), ("\n".join(text.split("\n")[:-20]).encode(), "ends too early"), (good[:80] + bytes(4), "no points"),
                            (text.replace("vertex", "vertices", 1).encode(), "line 4"),
                            (text.replace("endloop", "vertex 1 2 3\nendloop", 1).encode(), "no triangle"),
                            (b"solid as a rock\n", "ends too early"),
                            (good[:96] + struct.pack("<f", np.inf) + good[100:], "not a number")):
            bad.write_bytes(data)
            self.assert_refused(bad, words, "bad.stl")


class Obj(Meshes):
    def test_a_warp_moves_points_and_all_else_stays(self):
        mesh = write_obj(self.folder / "ball.obj", self.points, self.faces)
        said = self.apply(mesh, "moved.obj").stderr
        self.assertIn("normals are left out", said)
        self.assertIn("file of materials", said)
        lines, points, faces = read_obj(self.folder / "moved.obj")
        self.assert_close(points, self.by_points(self.points))
        np.testing.assert_array_equal(faces, self.faces)
        self.assertTrue(all(line.endswith(" 0.5 0.25 1") for line in lines if line.startswith("v ")))
        before = mesh.read_text().splitlines()
        others = lambda all_lines: [line for line in all_lines if line.split()[0] not in ("v", "f", "vn")]  # noqa: E731
        self.assertEqual(others(lines), others(before))
        self.assertEqual([line for line in lines if line.startswith("f ")][0].count("/1"), 3, "textures stay")
        self.assertNotIn("//", "".join(lines), "normals go")

    def test_a_comment_says_the_axes(self):
        mesh = write_obj(self.folder / "ras.obj", self.points * FLIP, self.faces, ["3D Slicer output. SPACE=RAS"])
        self.apply(mesh, "ras_moved.obj")
        self.assert_close(read_obj(self.folder / "ras_moved.obj")[1] * FLIP, self.by_points(self.points))

    def test_lines_may_be_continued(self):
        mesh = self.folder / "long.obj"
        mesh.write_text("v 1 2 3\nv 4 5 \\\n6\nv 7 8 9.5\nf 1 2 \\\n3\n")
        self.apply(mesh, "short.obj", self.identity)
        _, points, faces = read_obj(self.folder / "short.obj")
        self.assert_close(points, [[1, 2, 3], [4, 5, 6], [7, 8, 9.5]], 0)
        self.assertEqual(faces.tolist(), [[0, 1, 2]])

    def test_bad_files_get_one_sentence(self):
        bad = self.folder / "bad.obj"
        for text, words in (("", "is empty"), ("# nothing\n", "holds no points"), ("v 1 2\n", "no three coordinates in line 1"),
                            ("v 1 2 nan\n", "no three coordinates in line 1"), ("v 1 2 3\nf 1 2 3\n", "a point that is not there"),
                            ("v 1 2 3\nf 1 -2 1\n", "not there in line 2"), ("v 1 2 3\nf a b c\n", "line 2"),
                            ("solid ball\n", "no OBJ file"), ("v 1 2 3\ncstype bezier\n", "curved"), ("v 1 2 3\0\n", "no OBJ file")):
            bad.write_text(text)
            self.assert_refused(bad, words, "bad.obj")


def write_gifti(path, points, faces, encoding="GIFTI_ENCODING_B64GZ", system=None, meta=None, more=()):
    arrays = [gifti.GiftiDataArray(np.float32(points), "NIFTI_INTENT_POINTSET", encoding=encoding, coordsys=system,
                                   meta=meta or {"AnatomicalStructurePrimary": "CortexLeft"}),
              gifti.GiftiDataArray(np.int32(faces), "NIFTI_INTENT_TRIANGLE", encoding=encoding), *more]
    nibabel.save(gifti.GiftiImage(darrays=arrays, meta=gifti.GiftiMetaData({"Name": "ball"})), path)
    return path


def points_of(path):
    return nibabel.load(path).agg_data("pointset").astype(float)


class Gifti(Meshes):
    """Read by nibabel."""

    def test_a_warp_moves_points_in_ras(self):
        expected = self.by_points(self.points * np.float32(FLIP)) * FLIP
        for encoding in ("GIFTI_ENCODING_ASCII", "GIFTI_ENCODING_B64BIN", "GIFTI_ENCODING_B64GZ"):
            mesh = write_gifti(self.folder / "lh.pial.surf.gii", self.points, self.faces, encoding)
            process = self.apply(mesh, "moved.surf.gii")
            self.assertEqual(process.stderr, "", "nothing was guessed")
            self.assert_close(points_of(self.folder / "moved.surf.gii"), expected)
            moved = nibabel.load(self.folder / "moved.surf.gii")
            np.testing.assert_array_equal(moved.agg_data("triangle"), self.faces)
            self.assertEqual(moved.meta["Name"], "ball")
            self.assertEqual(moved.darrays[0].meta["AnatomicalStructurePrimary"], "CortexLeft")
        self.assert_refused(mesh, "RAS", "--mesh-space", expect=USAGE, more=["--mesh-space", "lps"])

    def test_values_and_labels_stay(self):
        values = np.float32(1e-9 * np.arange(len(self.points)))
        for encoding in ("GIFTI_ENCODING_ASCII", "GIFTI_ENCODING_B64GZ"):
            more = [gifti.GiftiDataArray(values, "NIFTI_INTENT_SHAPE", encoding="GIFTI_ENCODING_B64GZ"),
                    gifti.GiftiDataArray(np.int32(values > 1e-7), "NIFTI_INTENT_LABEL", encoding=encoding)]
            mesh = write_gifti(self.folder / "all.surf.gii", self.points, self.faces, "GIFTI_ENCODING_B64BIN", more=more)
            self.apply(mesh, "kept.surf.gii", self.identity)
            kept = nibabel.load(self.folder / "kept.surf.gii")
            self.assert_close(points_of(self.folder / "kept.surf.gii"), self.points, 0)
            np.testing.assert_array_equal(kept.agg_data("shape"), values)
            np.testing.assert_array_equal(kept.agg_data("label"), values > 1e-7)

    def test_points_that_lead_nowhere_are_left_out(self):
        field = np.zeros((10, 10, 10, 1, 3), np.float32)
        field[5:] = np.nan
        affine = np.diag([10.0, 10, 10, 1])
        affine[:3, 3] = -45
        image = nibabel.Nifti1Image(field, affine)
        image.header.set_intent("vector")
        image.header.set_xyzt_units("mm")
        nibabel.save(image, self.folder / "half.nii.gz")
        number = np.float32(np.arange(len(self.points)))
        mesh = write_gifti(self.folder / "whole.surf.gii", self.points, self.faces,
                           more=[gifti.GiftiDataArray(number, "NIFTI_INTENT_SHAPE")])
        process = self.apply(mesh, "half.surf.gii", self.folder / "half.nii.gz")
        half = nibabel.load(self.folder / "half.surf.gii")
        of_before = half.agg_data("shape").astype(int)
        self.assertTrue(10 < len(of_before) < len(self.points) - 10)
        self.assert_close(half.agg_data("pointset"), self.points[of_before])
        whole = np.isin(self.faces, of_before).all(1)
        np.testing.assert_array_equal(of_before[half.agg_data("triangle")], self.faces[whole])
        self.assertIn(f"with {np.sum(~whole)} faces", process.stderr)

    def test_freesurfers_frame_leads_to_the_scanners_and_back(self):
        turned = np.array([[-0.98, 0.02, 0.1], [0.1, 0.05, 0.99], [-0.01, -0.99, 0.05]])  # columns: x, y, z of the volume
        turned, _ = np.linalg.qr(turned)
        turned *= np.sign(np.sum(turned * [[-1, 0, 0], [0, 0, 1], [0, -1, 0]], axis=0))
        centre = np.array([3.5, -17.25, 22.0])
        meta = {f"VolGeom{axis}_{row}": "%.6f" % turned[r, c] for c, axis in enumerate("XYZ") for r, row in enumerate("RAS")}
        meta |= {f"VolGeomC_{row}": "%.6f" % centre[r] for r, row in enumerate("RAS")}
        size, n = np.array([1.0, 1.0, 1.0]), 256
        scanner_from_voxel, surface_from_voxel = np.eye(4), np.eye(4)  # as mri_info --vox2ras and --vox2ras-tkr have it
        scanner_from_voxel[:3, :3] = turned * size
        scanner_from_voxel[:3, 3] = centre - turned @ (size * n / 2)
        surface_from_voxel[:3] = [[-1, 0, 0, n / 2], [0, 0, 1, -n / 2], [0, -1, 0, n / 2]]
        scanner_from_surface = scanner_from_voxel @ np.linalg.inv(surface_from_voxel)
        to_scanner = lambda p: p @ scanner_from_surface[:3, :3].T + scanner_from_surface[:3, 3]  # noqa: E731
        expected = self.by_points(to_scanner(self.points) * FLIP) * FLIP
        mesh = write_gifti(self.folder / "fs.surf.gii", self.points, self.faces, meta=meta)
        self.assertIn("FreeSurfer", self.apply(mesh, "fs_moved.surf.gii").stderr)
        self.assert_close(to_scanner(points_of(self.folder / "fs_moved.surf.gii")), expected)
        process = self.apply(mesh, "fs_moved.surf.gii", more=["--mesh-space", "ras"])
        self.assert_close(points_of(self.folder / "fs_moved.surf.gii"), self.by_points(self.points * FLIP) * FLIP)
        scanner = gifti.GiftiCoordSystem("NIFTI_XFORM_SCANNER_ANAT", "NIFTI_XFORM_UNKNOWN")
        mesh = write_gifti(self.folder / "scanner.surf.gii", self.points, self.faces, meta=meta, system=scanner)
        process = self.apply(mesh, "scanner_moved.surf.gii")
        self.assertEqual(process.stderr, "")
        self.assert_close(points_of(self.folder / "scanner_moved.surf.gii"), self.by_points(self.points * FLIP) * FLIP)

    def test_its_own_matrix_leads_to_the_scanner(self):
        matrix = np.eye(4)
        matrix[:3, 3] = 4, 5, -6
        system = gifti.GiftiCoordSystem("NIFTI_XFORM_UNKNOWN", "NIFTI_XFORM_SCANNER_ANAT", matrix)
        mesh = write_gifti(self.folder / "matrix.surf.gii", self.points, self.faces, system=system)
        self.assertIn("own matrix", self.apply(mesh, "matrix_moved.surf.gii").stderr)
        moved = nibabel.load(self.folder / "matrix_moved.surf.gii")
        self.assert_close(moved.agg_data("pointset") + matrix[:3, 3],
                          self.by_points((self.points + matrix[:3, 3]) * FLIP) * FLIP)
        self.assert_close(moved.darrays[0].coordsys.xform, matrix, 0)
        stale = gifti.GiftiCoordSystem("NIFTI_XFORM_SCANNER_ANAT", "NIFTI_XFORM_TALAIRACH", matrix)
        mesh = write_gifti(self.folder / "stale.surf.gii", self.points, self.faces, system=stale)
        self.assertIn("left out", self.apply(mesh, "stale_moved.surf.gii").stderr)
        self.assert_close(points_of(self.folder / "stale_moved.surf.gii"), self.by_points(self.points * FLIP) * FLIP)
        self.assertNotIn("TALAIRACH", (self.folder / "stale_moved.surf.gii").read_text())

    def test_numbers_beside_the_file_stay_there(self):
        """Some programs keep the numbers in a file of their own, which must not be written over."""
        raw = np.float32(self.points).tobytes() + np.int32(self.faces).tobytes()
        (self.folder / "beside.dat").write_bytes(raw)
        mesh = write_gifti(self.folder / "beside.surf.gii", self.points, self.faces, "GIFTI_ENCODING_B64BIN")
        text = re.sub("<Data>[^<]*</Data>", "<Data></Data>", mesh.read_text()).replace("Base64Binary", "ExternalFileBinary")
        places = iter((0, self.points.nbytes))
        text = re.sub('ExternalFileName="" ExternalFileOffset="[^"]*"',
                      lambda _: f'ExternalFileName="beside.dat" ExternalFileOffset="{next(places)}"', text)
        mesh.write_text(text)
        self.assertEqual(text.count("beside.dat"), 2)
        self.apply(mesh, "together.surf.gii", self.identity)
        self.assertEqual((self.folder / "beside.dat").read_bytes(), raw)
        self.assertNotIn("beside.dat", (self.folder / "together.surf.gii").read_text())
        self.assert_close(points_of(self.folder / "together.surf.gii"), self.points, 0)
        (self.folder / "beside.dat").write_bytes(raw[:-100])
        self.assert_refused(mesh, "beside.dat", "is too short")

    def test_bad_files_get_one_sentence(self):
        good = write_gifti(self.folder / "good.surf.gii", self.points, self.faces).read_text()
        values = gifti.GiftiImage(darrays=[gifti.GiftiDataArray(np.float32([1, 2]), "NIFTI_INTENT_SHAPE")])
        nibabel.save(values, self.folder / "values.gii")
        data = re.search("<Data>([^<]*)", good)[1]
        plain = write_gifti(self.folder / "plain.surf.gii", self.points, self.faces, "GIFTI_ENCODING_B64BIN").read_text()
        letters = re.search("<Data>([^<]*)", plain)[1]
        text = write_gifti(self.folder / "text.surf.gii", self.points, self.faces, "GIFTI_ENCODING_ASCII").read_text()
        numbers = re.search("<Data>([^<]*)", text)[1]
        bad = self.folder / "bad.surf.gii"
        for words_of, words in (("", "is empty"), (good[:-9], "no GIFTI file"), (good[:len(good) // 2], "no GIFTI file"),
                            ("<GIFTI>", "no GIFTI file"), ("solid ball", "no GIFTI file"),
                            ((self.folder / "values.gii").read_text(), "holds no points"),
                            (good.replace(data, data[:len(data) // 2]), "no GIFTI file"),
                            (plain.replace(letters, letters[:len(letters) // 2]), "no GIFTI file"),
                            (text.replace(numbers, numbers[:len(numbers) // 2]), "no GIFTI file"),
                            (good.replace("NIFTI_TYPE_FLOAT32", "NIFTI_TYPE_UINT8"), ""),
                            (good.replace('Dim1="3"', 'Dim1="4"'), ""),
                            (good.replace("NIFTI_INTENT_TRIANGLE", "NIFTI_INTENT_POINTSET"), "several sets")):
            bad.write_text(words_of)
            with self.subTest(said=words, bytes=len(words_of)):
                self.assert_refused(bad, words, "bad.surf.gii")
        self.assert_refused(write_gifti(bad, self.points, self.faces + 1), "a point that is not there")
        far = self.points.copy()
        far[3, 0] = np.inf
        self.assert_refused(write_gifti(bad, far, self.faces), "not a number")


class Vtk(Meshes):
    """Its cells and arrays, and VTK as the judge: tests/io/tst_surfaces.cpp."""

    def write(self, name, points, comment):
        lines = ["# vtk DataFile Version 4.2", comment, "ASCII", "DATASET POLYDATA", f"POINTS {len(points)} double",
                 *("%.17g %.17g %.17g" % tuple(p) for p in points), f"POLYGONS {len(self.faces)} {4 * len(self.faces)}",
                 *("3 %d %d %d" % tuple(f) for f in self.faces), ""]
        (self.folder / name).write_text("\n".join(lines))
        return self.folder / name

    def read(self, name):
        data = (self.folder / name).read_bytes()
        self.assertIn(b"\nBINARY\n", data[:200])
        start = re.search(rb"POINTS (\d+) double\n", data)
        return np.frombuffer(data, ">f8", 3 * int(start[1]), start.end()).reshape(-1, 3)

    def test_a_warp_moves_a_surface_as_it_moves_points(self):
        expected = self.by_points(self.points)
        self.assertIn("taken as LPS", self.apply(self.write("ball.vtk", self.points, "vtk output"), "moved.vtk").stderr)
        self.assert_close(self.read("moved.vtk"), expected, 1e-6)
        mesh = self.write("ras.vtk", self.points * FLIP, "3D Slicer output. SPACE=RAS")
        self.assertEqual(self.apply(mesh, "moved.vtk").stderr, "")
        self.assert_close(self.read("moved.vtk") * FLIP, expected, 1e-6)
        self.assert_refused(mesh, "RAS", expect=USAGE, more=["--mesh-space", "lps"])

    def test_the_library_is_loaded_only_when_it_is_needed(self):
        """The module of VTK's files, and the parts of VTK behind it."""
        needed = subprocess.run(["ldd", GIGAWARP], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("vtkIOLegacy", needed)
        self.assertNotIn("vtkIOXML-", needed)


if __name__ == "__main__":
    unittest.main()
