"""Surfaces through `apply --mesh` that libraries read and write: GIFTI, with nibabel as the judge, and VTK's own."""

import re
import resource
import subprocess
import unittest

import nibabel
import numpy as np
from nibabel import gifti

from cli_support import GIGAWARP, NOT_WRITTEN, USAGE, leftovers, run
from mesh_support import FLIP, Meshes, ball, points_of, write_gifti


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


class FullDisk(Meshes):
    def test_the_libraries_files_leave_no_half_file_either(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

        points, faces = ball(60)
        out = self.folder / "out"
        out.mkdir()
        lines = ["# vtk DataFile Version 4.2", "SPACE=LPS", "ASCII", "DATASET POLYDATA", f"POINTS {len(points)} float",
                 *("%.9g %.9g %.9g" % tuple(p) for p in points), ""]
        (self.folder / "big.vtk").write_text("\n".join(lines))
        write_gifti(self.folder / "big.gii", points, faces, "GIFTI_ENCODING_B64BIN")
        for name in ("big.vtk", "big.gii"):
            process = run("apply", "--mesh", self.folder / name, "--transform", self.matrix, "--out", out / name,
                          preexec_fn=limit)
            self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)
            self.assert_one_sentence(process, "space")
            self.assertEqual(leftovers(out), [])


if __name__ == "__main__":
    unittest.main()
