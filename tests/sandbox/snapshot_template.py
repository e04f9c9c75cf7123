"""A process that is made to be copied: initialises what its argument says, takes its snapshot, and in
each copy evaluates the expressions that come over descriptor 3, one per line."""
import os
import socket
import sys

sys.path.append("/var/runtime")
import virga_snap

names = {"os": os, "sys": sys}
exec(sys.argv[1], names)
why = virga_snap.take(5, 3)
if why is not None:
    print(why, flush=True)
    os._exit(0)
lines = socket.socket(fileno=3).makefile("rw", newline="\n")
for line in lines:
    try:
        answer = str(eval(line, names))
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    lines.write(answer.replace("\n", " ") + "\n")
    lines.flush()
