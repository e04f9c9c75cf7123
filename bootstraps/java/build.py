"""Compiles the Java runtime into one jar. Arguments: javac, the folder of the sources, the jar.

The jar is the same for the same sources: entries in order, without times. It is not compressed, since
every cold start reads it.
"""
import os
import subprocess
import sys
import tempfile
import zipfile

MANIFEST = """Manifest-Version: 1.0
Main-Class: virga.Main
Add-Opens: java.base/java.io
"""
RELEASE = "11"


def below(folder, ending):
    found = [os.path.join(top, name) for top, _, names in os.walk(folder) for name in names
             if name.endswith(ending)]
    return sorted(found)


def main(javac, sources, jar):
    with tempfile.TemporaryDirectory() as out:
        # Concatenation by invokedynamic would cost every cold start 20 ms.
        subprocess.run([javac, "--release", RELEASE, "-XDstringConcat=inline", "-Xlint:all,-options,-serial",
                        "-Werror", "-g:source,lines", "-encoding", "UTF-8", "-d", out] + below(sources, ".java"), check=True)
        with zipfile.ZipFile(jar, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), MANIFEST)
            for path in below(out, ".class"):
                with open(path, "rb") as file:
                    archive.writestr(zipfile.ZipInfo(os.path.relpath(path, out)), file.read())


if __name__ == "__main__":
    main(*sys.argv[1:])
