"""Surfaces through `apply --mesh`: as --points moves the same coordinates. PLY, STL and OBJ; tst_mesh_libraries has the others."""

import json
import os
import resource
import signal
import struct
import time
import unittest

import nibabel
import numpy as np
import SimpleITK as sitk

from cli_support import BAD_INPUT, CANCELLED, NOT_WRITTEN, OK, USAGE, leftovers, peak_bytes, run, save, start
from mesh_support import (FLIP, Meshes, gifti_values, read_obj, read_ply, read_stl, write_gifti, write_obj, write_ply,
                          write_stl)


class Info(Meshes):
    def told(self, *arguments):
        process = run("info", "--json", *arguments)
        self.assertEqual(process.returncode, OK, process.stderr)
        return json.loads(process.stdout)[0]

    def assert_bounds(self, told, points):
        np.testing.assert_allclose(told["bounds_mm"], [points.min(0), points.max(0)], atol=1e-5)

    def test_surfaces_are_told_as_images_are(self):
        gifti = write_gifti(self.folder / "told.surf.gii", self.points, self.faces,
                            more=[gifti_values(np.float32(np.arange(len(self.points))))])
        for name, write, text in (("told.ply", write_ply, "PLY, binary"), ("told.obj", write_obj, "OBJ"),
                                  ("told.stl", write_stl, "STL, binary"), ("told.surf.gii", None, "GIFTI")):
            mesh = write(self.folder / name, self.points, self.faces) if write else gifti
            told = self.told(mesh)
            self.assertEqual((told["kind"], told["format"], told["frame"]), ("surface", text, "LPS mm"))
            self.assertEqual(told["faces"], len(self.faces))
            self.assertEqual(told["points"], 3 * len(self.faces) if name.endswith("stl") else len(self.points))
            self.assert_bounds(told, np.float64(self.points) * (FLIP if name.endswith("gii") else 1))
            self.assertEqual(told.get("axes_in_file"), "RAS" if name.endswith("gii") else None)
            self.assertEqual(any("taken as LPS" in note for note in told["notes"]), not name.endswith("gii"), told)
            self.assertFalse(any("left out" in note for note in told["notes"]), "nothing is written")
        arrays = [(a["name"], a["of"], a["type"]) for a in self.told(self.folder / "told.ply")["arrays"]]
        self.assertEqual(arrays, [("nx", "points", "f32"), ("ny", "points", "f32"), ("nz", "points", "f32"),
                                  ("red", "points", "u8"), ("label", "points", "i32"), ("part", "faces", "i16")])
        arrays = {a["name"]: a["components"] for a in self.told(self.folder / "told.obj")["arrays"]}
        self.assertEqual(arrays, {"colour": 3, "texture": 2, "normals": 3})
        arrays = [(a["name"], a["of"], a["type"]) for a in self.told(gifti)["arrays"]]
        self.assertEqual(arrays, [("NIFTI_INTENT_SHAPE", "points", "f32")])

    def test_axes_may_be_given_and_text_says_the_same(self):
        mesh = write_ply(self.folder / "given.ply", self.points, self.faces, "ascii")
        told = self.told(mesh, "--mesh-space", "ras")
        self.assertEqual(told["notes"], [])
        self.assert_bounds(told, np.sort(np.float64([self.points.min(0), self.points.max(0)]) * FLIP, axis=0))
        text = run("info", mesh).stdout
        for line in ("kind  surface", "format  PLY, text", f"points  {len(self.points)}", f"faces  {len(self.faces)}",
                     "bounds_mm  [[", "    name  red", "taken as LPS"):
            self.assertIn(line, text)
        (self.folder / "cut.ply").write_bytes(mesh.read_bytes()[:-9])
        process = run("info", self.folder / "cut.ply")
        self.assertEqual(process.returncode, BAD_INPUT, process.stderr)

    def test_names_in_any_bytes_are_text(self):
        mesh = write_ply(self.folder / "named.ply", self.points, self.faces)
        mesh.write_bytes(mesh.read_bytes().replace(b" red\n", b" gr\xf6\x1b[2J\n"))
        named = mesh.rename(self.folder.joinpath(os.fsdecode(b"named_\xf6.ply")))
        told = self.told(named)
        self.assertIn("gr\u00f6 [2J", [a["name"] for a in told["arrays"]])
        named.unlink()


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
        self.assert_refused(self.fixed, "is no surface that can be read", ".vtk, .vtp and .gii", "GIFTI")

    def test_an_obj_file_with_line_ends_of_an_old_macintosh_is_refused_rather_than_cut(self):
        mesh = self.folder / "mac.obj"
        mesh.write_bytes(b"v 1 2 3\rv 2 3 4\rv 3 3 3\rf 1 2 3\r")
        self.assert_refused(mesh, "carriage return")
        mesh.write_bytes(b"v 1 2 3\r\nv 2 3 4\r\nv 3 3 3\r\nf 1 2 3\r\n")
        self.apply(mesh, "windows.obj", self.identity)
        self.assertEqual(len(read_obj(self.folder / "windows.obj")[1]), 3)

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
        for option, value in (("--reference", self.fixed), ("--interpolation", "label"), ("--background", "0"),
                              ("--reference-level", "0"), ("--import", "never")):
            self.assert_refused(mesh, option, "is for --input", expect=USAGE, more=[option, value])

    def test_a_surface_beyond_the_warp_is_told(self):
        inside = write_ply(self.folder / "inside.ply", self.points, self.faces)
        self.assertNotIn("beyond the warp", self.apply(inside, "told.ply").stderr)
        far = self.points.copy()
        far[:3] += 1000
        mesh = write_ply(self.folder / "far.ply", far, self.faces)
        self.assertIn(f"3 of {len(far)} points lie beyond the warp", self.apply(mesh, "told.ply").stderr)
        self.assert_close(read_ply(self.folder / "told.ply")[2][:3],
                          [self.affine.TransformPoint([float(v) for v in p]) for p in far[:3]], 1e-3)
        self.assertNotIn("beyond the warp", self.apply(mesh, "told.ply", self.matrix).stderr)

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


class LargePly(Meshes):
    """Two million points: stopped, and onto a full disk."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        points = np.random.default_rng(1).uniform(-50, 50, (2_000_000, 3)).astype(np.float32)
        cls.mesh = write_ply(cls.folder / "large.ply", points, np.arange(6_000_000).reshape(-1, 3) % 2_000_000)
        cls.out = cls.folder / "out"
        cls.out.mkdir()

    def test_a_signal_stops_it_wherever_it_is(self):
        for stage in ("reading the surface", "reading the transforms", "moving the points", "writing"):
            process = start("apply", "--mesh", self.mesh, "--transform", *self.warp, "--out", self.out / "x.ply",
                            "--progress", "json")
            for line in process.stdout:
                if json.loads(line)["stage"] == stage:
                    break
            else:
                self.fail(f"{stage} did not come: {process.stderr.read()}")
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, CANCELLED, stage + err)
            self.assertLess(time.monotonic() - began, 5)
            self.assertEqual(leftovers(self.out), [])

    def test_a_full_disk_leaves_no_half_file(self):
        def limit():  # a write beyond it fails as one to a full disk does
            resource.setrlimit(resource.RLIMIT_FSIZE, (10 << 20, resource.RLIM_INFINITY))

        process = run("apply", "--mesh", self.mesh, "--transform", *self.warp, "--out", self.out / "x.ply",
                      preexec_fn=limit)
        self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)
        self.assert_one_sentence(process, "space")
        self.assertEqual(leftovers(self.out), [])

    def test_memory_is_24_bytes_a_point(self):
        small = write_ply(self.folder / "small.ply", self.points, self.faces)
        base = peak_bytes("apply", "--mesh", small, "--transform", *self.warp, "--out", self.out / "s.ply")
        large = peak_bytes("apply", "--mesh", self.mesh, "--transform", *self.warp, "--out", self.out / "l.ply")
        for name in ("s.ply", "l.ply"):
            (self.out / name).unlink()
        self.assertLess(large - base, 24 * 2_000_000 + (24 << 20))


class LargeWarp(Meshes):
    """Three quarters of a gigabyte, nearly all of it holes of the file."""

    def test_a_large_warp_stays_in_its_file(self):
        shape, spacing = (400, 400, 400), 0.25
        affine = np.diag([-spacing, -spacing, spacing, 1])  # LPS, with the voxels in that order
        affine[:3, 3] = np.array([1, 1, -1]) * spacing * 200
        header = nibabel.Nifti1Header()
        header.set_data_shape((*shape, 1, 3))
        header.set_data_dtype(np.float32)
        header.set_intent("vector")
        header.set_xyzt_units("mm")
        header.set_sform(affine, code=1)
        header["vox_offset"], header["magic"] = 352, b"n+1"
        warp = self.folder / "large.nii"
        component, plane = 4 * int(np.prod(shape)), 4 * shape[0] * shape[1]
        with open(warp, "wb") as file:
            file.write(header.binaryblock + bytes(4))
            file.truncate(352 + 3 * component)
            for z in range(200, 320):  # from z = 0 mm on x and y move
                for axis, mm in ((0, 2.5), (1, -1.25)):
                    file.seek(352 + axis * component + z * plane)
                    file.write(np.full(shape[:2], mm, "<f4").tobytes())
        mesh = write_ply(self.folder / "ball.ply", self.points, self.faces)
        out = self.folder / "moved.ply"
        peak = peak_bytes("apply", "--mesh", mesh, "--transform", warp, self.matrix, "--out", out)
        self.assertLess(peak, 400 << 20)
        moves = np.clip(self.points[:, 2] / spacing + 1, 0, 1)[:, None]
        expected = [self.affine.TransformPoint(p) for p in (self.points + moves * [2.5, -1.25, 0]).astype(float)]
        self.assert_close(read_ply(out)[2], expected, 1e-4)
        self.assert_close(self.by_points(self.points, warp, self.matrix), expected, 1e-4)


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


if __name__ == "__main__":
    unittest.main()
