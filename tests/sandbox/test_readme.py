"""The table of README.md names exactly the attacks that test_attacks runs."""
import pathlib
import re
import subprocess
import sys

said = re.findall(r"^\| `(\w+)` \|", pathlib.Path(__file__).with_name("README.md").read_text("utf-8"), re.M)
run = subprocess.run([sys.argv[1], "--list"], check=True, capture_output=True, text=True).stdout.split()
if said != run:
    sys.exit(f"README.md lacks {set(run) - set(said)}, has too much {set(said) - set(run)}, or the order differs")
