"""Many functions on a machine with little memory: idle instances go before it is used up."""
import concurrent.futures
import json
import subprocess
import unittest

import server

EATER = """
import time
held = bytearray(30 << 20)
held[::4096] = b"x" * len(held[::4096])
def handler(event, context):
    time.sleep(0.02)
    return event
"""
COUNT = 12
SHELLS = 8  # made in advance by a server that has done nothing yet


def shells_of(host):
    """Sandboxes that run nothing: an init without a child."""
    spawner = server.children_of(host.pid, only_own=True)[0]
    inits = server.children_of(spawner, only_own=True)
    return sum(not server.children_of(pid, only_own=True) for pid in inits)


class MemoryTest(unittest.TestCase):
    # Without snapshots: what a copy has not touched is not its memory, and more of them fit.
    def test_idle_instances_give_way(self):
        with server.Server("--memory", "160", "--snapshots", "off") as host:
            server.wait_until(lambda: shells_of(host) == SHELLS, "sandboxes are made in advance")
            client = host.client()
            for number in range(COUNT):
                server.python_function(client, f"f{number}", EATER)

            def call(number):
                answer = client.invoke(FunctionName=f"f{number % COUNT}", Payload=str(number))
                self.assertNotIn("FunctionError", answer)
                return json.load(answer["Payload"])

            with concurrent.futures.ThreadPoolExecutor(4) as threads:
                self.assertEqual(list(threads.map(call, range(3 * COUNT))), list(range(3 * COUNT)))

            def alive():
                return host.health()["instances"]["alive"]

            # 160 MB hold four instances of 35 MB, and what a new one is guessed to need; those that
            # give way are alive until the kernel has taken them away.
            server.wait_until(lambda: alive() <= 5, "idle instances give way")
            self.assertGreater(alive(), 0)
            # And before any of them, what was made in advance: for the next minutes there is none.
            server.wait_until(lambda: shells_of(host) == 0, "shells give way")


class PoolTest(unittest.TestCase):
    def test_its_bounds_are_the_operators(self):
        for option, count in (("3-5", 3), ("2", 2), ("0", 0)):
            with server.Server("--pool", option) as host:
                server.wait_until(lambda count=count: shells_of(host) == count, f"{count} are ready")
        for wrong in ("5-3", "3-", "-3", "1-2000", "some"):
            done = subprocess.run([server.VIRGA, "serve", f"--pool={wrong}"], timeout=60,
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("--pool wants a number up to 1024, or MIN-MAX", done.stderr)


if __name__ == "__main__":
    unittest.main()
