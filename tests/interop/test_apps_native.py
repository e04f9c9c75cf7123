"""Programs and libraries in machine code inside the sandbox: sharp with its native part as a layer, ffmpeg and
ImageMagick as layers of programs (one static, one with its shared libraries), numpy and SQLite."""
import base64
import glob
import io
import os
import re
import subprocess
import unittest
import zipfile

import server
from apps import AppTest, package
from interop import installed

PHOTO = os.path.join(server.ROOT, "examples/thumbnail/photo.jpg")
CONVERT = "/usr/bin/convert-im6.q16"
CODERS = ["jpeg", "png"]
SYSTEM = re.compile(r"/(ld-linux|libc|libm|libpthread|libdl|librt|libstdc\+\+|libgcc_s)[-.]")  # of any base image


def zip_paths(files):
    """A ZIP of {name: path}, programs as such."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in files.items():
            archive.write(path, name)  # with its mode
    return out.getvalue()


def libraries_of(*programs):
    """The shared libraries that they are linked with, but for the system's own."""
    text = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    paths = set(re.findall(r"=> (/\S+) \(", text))
    return {f"lib/{os.path.basename(path)}": os.path.realpath(path) for path in paths if not SYSTEM.search(path)}


class NativeTest(AppTest):
    def photo(self):
        with open(PHOTO, "rb") as file:
            return base64.b64encode(file.read()).decode()

    def layer(self, name, content):
        return self.client.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]

    def check_sharp(self):
        payload, error, _ = self.call("sharp", {"body": self.photo(), "sizes": [16, 64, 256]})
        self.assertIsNone(error, payload)
        self.assertEqual(payload["from"], {"width": 1200, "height": 800, "format": "jpeg"})
        self.assertEqual([(made["width"], made["height"], made["format"]) for made in payload["made"]],
                         [(16, 11, "webp"), (64, 43, "webp"), (256, 171, "webp")])
        for made in payload["made"]:
            self.assertRegex(base64.b64decode(made["body"]), rb"(?s)^RIFF....WEBP")
        self.assertTrue(payload["path"].startswith("/opt/nodejs/node_modules/sharp/"), payload["path"])

    def test_sharp(self):
        arn = self.layer("sharp", package(modules=["sharp"], prefix="nodejs/"))
        self.deploy("sharp", package(["sharp.js"]), "sharp.handler", Layers=[arn], MemorySize=1024)
        self.twice("sharp", self.check_sharp)

    def check_ffmpeg(self):
        payload, error, _ = self.call("ffmpeg", {"seconds": 1})
        self.assertIsNone(error, payload)
        self.assertRegex(payload["info"], r"Video: h264 .* 320x240")
        self.assertRegex(payload["info"], r"Audio: aac")
        self.assertEqual(base64.b64decode(payload["thumbnail"])[:3], b"\xff\xd8\xff")

    def test_ffmpeg(self):
        [program] = glob.glob(os.path.join(installed("apps"), "node_modules/@ffmpeg-installer/linux-*/ffmpeg"))
        arn = self.layer("ffmpeg", zip_paths({"bin/ffmpeg": program}))
        self.deploy("ffmpeg", package(["ffmpeg.js"]), "ffmpeg.handler", Layers=[arn], MemorySize=1769)
        self.twice("ffmpeg", self.check_ffmpeg)

    def check_magick(self):
        payload, error, _ = self.call("magick", {"body": self.photo(), "options": ["-resize", "64x64", "-rotate", "90"]})
        self.assertIsNone(error, payload)
        image = base64.b64decode(payload["body"])
        self.assertEqual((image[:8], image[16:24]), (b"\x89PNG\r\n\x1a\n", b"\0\0\0\x2b\0\0\0\x40"))  # 43 x 64
        self.assertIn("libMagickCore-6.Q16.so.6 => /opt/lib/libMagickCore-6.Q16.so.6", payload["linked"])

    def test_imagemagick(self):
        [modules] = glob.glob("/usr/lib/*/ImageMagick-6.*/modules-Q16/coders")
        coders = [os.path.join(modules, name + ".so") for name in CODERS]
        files = {f"lib/coders/{os.path.basename(path)}": path for path in coders}
        files.update({f"lib/coders/{name}.la": os.path.join(modules, name + ".la") for name in CODERS})
        arn = self.layer("magick", zip_paths({"bin/convert": CONVERT, **files, **libraries_of(CONVERT, *coders)}))
        self.deploy("magick", package(["magick.py"]), "magick.handler", Runtime=server.PYTHON_ID, Layers=[arn],
                    Environment={"Variables": {"MAGICK_CODER_MODULE_PATH": "/opt/lib/coders"}})
        self.twice("magick", self.check_magick)

    def check_numbers(self, drawn):
        payload, error, _ = self.call("science", {"rows": 20})
        self.assertIsNone(error, payload)
        self.assertEqual(payload["arrays"], {"solved": True, "total": 499999500000.0, "peak": 50})
        self.assertEqual(payload["table"], {"mode": "wal", "check": "ok", "counts": [[n, 20, 190] for n in range(4)]})
        self.assertNotIn(payload["drawn"], drawn)
        drawn.append(payload["drawn"])

    def test_numpy_and_sqlite(self):
        self.deploy("science", package(["science.py"]), "science.handler", Runtime=server.PYTHON_ID)
        drawn = []
        self.twice("science", lambda: self.check_numbers(drawn), why="the init drew something unique")


if __name__ == "__main__":
    unittest.main()
