"""Volumes behind addresses: read as the files are, and what is said when servers fail."""

import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from cli_support import BAD_INPUT, CANCELLED, NOT_WRITTEN, OK, nibabel, np, run, save, start
from http_server import Server

ALWAYS = 10 ** 9


class Remote(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        rng = np.random.default_rng(3)
        cls.voxels = rng.integers(1, 4000, (150, 140, 130)).astype(np.uint16)
        save(cls.voxels, cls.folder / "volume.nii", 0.5, dtype=np.uint16)
        (cls.folder / "served").mkdir()
        for version in ("0.4", "0.5"):
            made = run("convert", cls.folder / "volume.nii", cls.folder / f"served/v{version}.ome.zarr", "--zarr", version)
            assert made.returncode == OK, made.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.server = Server(self.folder / "served")
        self.environment = {**os.environ, "GIGAWARP_NETWORK_TIMEOUT": "2", "no_proxy": "127.0.0.1"}
        self.out = pathlib.Path(tempfile.mkdtemp())

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.out)

    def gigawarp(self, *arguments, **environment):
        return run(*arguments, cwd=self.out, env={**self.environment, **environment})

    def convert(self, name, **environment):
        """The volume behind the address, as NIfTI."""
        process = self.gigawarp("convert", f"{self.server.address}/{name}", self.out / "copy.nii", **environment)
        return process, self.out / "copy.nii"

    def assert_converts(self, name, expected=None, **environment):
        process, copy = self.convert(name, **environment)
        self.assertEqual(process.returncode, OK, process.stderr)
        np.testing.assert_array_equal(np.asarray(nibabel.load(copy).dataobj),
                                      self.voxels if expected is None else expected)

    def refusal(self, name, *words, code=BAD_INPUT, **environment):
        """The one sentence, with all of the words in it."""
        process, copy = self.convert(name, **environment)
        self.assertEqual(process.returncode, code, process.stderr)
        self.assertFalse(copy.exists())
        for word in words:
            self.assertIn(word, process.stderr)
        self.assertEqual(len(re.findall("^gigawarp: ", process.stderr, re.M)), 1, process.stderr)

    # What is read.

    def test_info_tells_what_it_tells_of_the_folder(self):
        for version in ("0.4", "0.5"):
            name = f"v{version}.ome.zarr"
            told = [json.loads(self.gigawarp("info", "--json", "--level", "1", place).stdout)[0]
                    for place in (self.folder / "served" / name, f"{self.server.address}/{name}/")]
            for info in told:
                del info["file"], info["notes"]
            self.assertEqual(*told)

    def test_a_volume_is_read_voxel_for_voxel_sharded_or_not(self):
        self.assert_converts("v0.4.ome.zarr")
        self.assert_converts("v0.5.ome.zarr")

    def test_chunks_are_fetched_many_at_a_time_and_connections_used_again(self):
        self.server.rules = [["slow", ALWAYS, r"/0/\d"]]
        self.assert_converts("v0.4.ome.zarr")
        self.assertGreater(self.server.most_at_once, 4)

    def test_missing_chunks_are_the_fill_value(self):
        self.server.rules = [["404", ALWAYS, r"v0\.4\.ome\.zarr/0/\d"]]
        self.assert_converts("v0.4.ome.zarr", np.zeros_like(self.voxels))
        self.server.rules = [["404", ALWAYS, r"v0\.5\.ome\.zarr/0/c/"]]
        self.assert_converts("v0.5.ome.zarr", np.zeros_like(self.voxels))

    def test_a_server_that_ignores_ranges_serves_shards_all_the_same(self):
        self.server.rules = [["whole", ALWAYS, "."]]
        self.assert_converts("v0.5.ome.zarr")

    def test_a_pair_is_registered_and_its_provenance_names_the_address(self):
        address = f"{self.server.address}/v0.4.ome.zarr"
        process = self.gigawarp("register", "--fixed", address, "--moving", self.folder / "volume.nii", "--levels", "4x3",
                                "--stages", "rigid", "--device", "cpu", "--out", self.out / "r")
        self.assertEqual(process.returncode, OK, process.stderr)
        result = json.loads((self.out / "r/result.json").read_text())
        self.assertIn(address, json.dumps(result))
        self.assertIn("checksum is that of its metadata", json.dumps(result))

    # What goes wrong.

    def test_faults_that_pass_are_tried_again(self):
        for fault in ("503", "429", "reset", "truncated"):
            for pattern in (r"/0/\d", r"/\.zattrs"):
                self.server.rules = [[fault, 3, pattern]]
                self.assert_converts("v0.4.ome.zarr")

    def test_faults_that_stay_are_told_in_a_sentence(self):
        name = "v0.4.ome.zarr"
        for kind, words in (("503", ["/0/", "503", "try later"]), ("403", ["/0/", "403", "AWS_ACCESS_KEY_ID"]),
                            ("truncated", ["/0/", "broke off"]), ("silent", ["/0/", "silent", "GIGAWARP_NETWORK_TIMEOUT"]),
                            ("418", ["/0/", "418"])):
            self.server.rules = [[kind, ALWAYS, r"/0/\d"]]
            self.refusal(name, *words, GIGAWARP_NETWORK_TIMEOUT="1")

    def test_a_chunk_that_was_stored_in_part_is_named_as_damaged(self):
        self.server.rules = [["short", ALWAYS, r"v0\.4\.ome\.zarr/0/1"]]
        self.refusal("v0.4.ome.zarr", "/0/1", "chunk", "damaged")
        self.server.rules = [["short", ALWAYS, r"v0\.5\.ome\.zarr/0/c"]]
        self.refusal("v0.5.ome.zarr", "/0/c", "shard")

    def test_what_is_no_volume_is_refused(self):
        self.refusal("nothing.zarr", "nothing.zarr", "leads to no volume")
        self.server.rules = [["403", ALWAYS, "."]]
        self.refusal("v0.4.ome.zarr", "403")
        self.server.rules = []
        (self.folder / "served/text.zarr").mkdir(exist_ok=True)
        (self.folder / "served/text.zarr/.zattrs").write_text("<html>")
        self.refusal("text.zarr", ".zattrs", "JSON")
        process = self.gigawarp("info", "https://example.org/a.zarr?token=1")
        self.assertEqual(process.returncode, BAD_INPUT)
        self.assertIn('"?"', process.stderr)

    def test_no_server_and_no_name_are_told_apart(self):
        self.server.shutdown()
        self.server.server_close()
        self.refusal("v0.4.ome.zarr", "takes no connection")
        process = self.gigawarp("info", "http://no-such-name.invalid/a.zarr")
        self.assertEqual(process.returncode, BAD_INPUT)
        self.assertIn("no server of that name", process.stderr)

    def test_nothing_is_written_over_the_network(self):
        for arguments in (("convert", self.folder / "volume.nii", "https://example.org/a.ome.zarr"),
                          ("register", "--fixed", self.folder / "volume.nii", "--moving", self.folder / "volume.nii",
                           "--device", "cpu", "--out", "https://example.org/out")):
            process = self.gigawarp(*arguments)
            self.assertEqual(process.returncode, NOT_WRITTEN, process.stderr)
            self.assertIn("over the network", process.stderr)

    def test_a_cancel_does_not_wait_for_a_silent_server(self):
        for kind in ("silent", "503"):
            self.server.rules = [[kind, ALWAYS, r"/0/\d"]]
            process = start("convert", f"{self.server.address}/v0.4.ome.zarr", self.out / "copy.nii",
                            env={**self.environment, "GIGAWARP_NETWORK_TIMEOUT": "60"})
            deadline = time.monotonic() + 60
            while not any(re.search(r"/0/\d", path) for path in self.server.requests) and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            process.communicate(timeout=60)
            self.assertLess(time.monotonic() - began, 10)
            self.assertEqual(process.returncode, CANCELLED)
            self.assertEqual(list(self.out.iterdir()), [])
            self.server.requests = []

    def test_a_certificate_must_hold(self):
        openssl = shutil.which("openssl")
        if openssl is None:
            self.skipTest("there is no openssl to make a certificate with")
        files = [self.out / "key.pem", self.out / "certificate.pem"]
        subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", files[0], "-out", files[1],
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                       check=True, capture_output=True)
        both = self.out / "both.pem"
        both.write_bytes(files[0].read_bytes() + files[1].read_bytes())
        secure = Server(self.folder / "served", both)
        try:
            address = f"{secure.address}/v0.4.ome.zarr"
            process = self.gigawarp("info", "--header", address)
            self.assertEqual(process.returncode, BAD_INPUT)
            self.assertIn("certificate", process.stderr)
            self.assertEqual(self.gigawarp("info", "--header", address, SSL_CERT_FILE=str(files[1])).returncode, OK)
        finally:
            secure.shutdown()
            secure.server_close()

    # S3.

    def test_s3_is_read_anonymously_from_the_endpoint(self):
        bucket = self.folder / "served/bucket"
        if not bucket.exists():
            shutil.copytree(self.folder / "served/v0.4.ome.zarr", bucket / "a b.ome.zarr")
        process = self.gigawarp("convert", "s3://bucket/a b.ome.zarr", self.out / "copy.nii",
                                AWS_ENDPOINT_URL=self.server.address, AWS_ACCESS_KEY_ID="")
        self.assertEqual(process.returncode, OK, process.stderr)
        np.testing.assert_array_equal(np.asarray(nibabel.load(self.out / "copy.nii").dataobj), self.voxels)
        self.assertFalse(any("Authorization" in headers for headers in self.server.headers))
        # A bucket that may not be listed says 403 of what is not there.
        self.server.rules = [["403", ALWAYS, r"zarr\.json|\.zarray$(?<!\d/\.zarray)"]]
        process = self.gigawarp("info", "--header", "s3://bucket/a b.ome.zarr", AWS_ENDPOINT_URL=self.server.address)
        self.assertEqual(process.returncode, OK, process.stderr)

    def test_s3_requests_are_signed_where_there_are_keys(self):
        bucket = self.folder / "served/signed"
        if not bucket.exists():
            shutil.copytree(self.folder / "served/v0.4.ome.zarr", bucket / "a.ome.zarr")
        process = self.gigawarp("info", "--header", "s3://signed/a.ome.zarr", AWS_ENDPOINT_URL=self.server.address,
                                AWS_ACCESS_KEY_ID="ANID", AWS_SECRET_ACCESS_KEY="a secret", AWS_SESSION_TOKEN="a token",
                                AWS_REGION="eu-west-1")
        self.assertEqual(process.returncode, OK, process.stderr)
        for path, headers in zip(self.server.requests, self.server.headers):
            lower = {name.lower(): value for name, value in headers.items()}
            found = re.match(r"AWS4-HMAC-SHA256 Credential=ANID/(\d+)/eu-west-1/s3/aws4_request, ?"
                             r"SignedHeaders=([^,]+), ?Signature=(\w+)", lower["authorization"])
            self.assertTrue(found, lower["authorization"])
            date, names, signature = found.groups()
            self.assertIn("x-amz-security-token", names.split(";"))
            canonical = "\n".join(["GET", path, ""] + [f"{n}:{lower[n].strip()}" for n in names.split(";")] +
                                  ["", names, lower["x-amz-content-sha256"]])
            text = "\n".join(["AWS4-HMAC-SHA256", lower["x-amz-date"], f"{date}/eu-west-1/s3/aws4_request",
                              hashlib.sha256(canonical.encode()).hexdigest()])
            key = b"AWS4a secret"
            for part in (date, "eu-west-1", "s3", "aws4_request", text):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self.assertEqual(key.hex(), signature)


if __name__ == "__main__":
    unittest.main()
