import logging
import os
import signal
import sys
import time

print("said while starting")
count = 0


class Custom(Exception):
    pass


def handler(event, context):
    global count
    count += 1
    return globals()["do_" + event["do"]](event, context)


def do_echo(event, context):
    return event["value"]


def do_none(event, context):
    return None


def do_context(event, context):
    return {"id": context.aws_request_id, "arn": context.invoked_function_arn, "name": context.function_name,
            "version": context.function_version, "memory": context.memory_limit_in_mb,
            "group": context.log_group_name, "stream": context.log_stream_name,
            "client": context.client_context and context.client_context.custom,
            "identity": context.identity.cognito_identity_id}


def do_remaining(event, context):
    first = context.get_remaining_time_in_millis()
    time.sleep(0.02)
    return [first, context.get_remaining_time_in_millis()]


def do_env(event, context):
    return dict(os.environ)


def do_trace(event, context):
    return os.environ.get("_X_AMZN_TRACE_ID")


def do_raise(event, context):
    raise Custom(event["message"])


def do_exit(event, context):
    os._exit(event["code"])


def do_kill(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def do_sleep(event, context):
    time.sleep(event["ms"] / 1000)
    return count


def do_oom(event, context):
    held = []
    while True:
        held.append(bytearray(b"x" * (8 << 20)))


def do_big(event, context):
    return "x" * event["size"]


def do_size(event, context):
    return len(event["value"])


def do_print(event, context):
    for line in event["lines"]:
        print(line)
        print(line, file=sys.stderr)


def do_event(event, context):
    logging.getLogger().warning(event["text"])


def do_count(event, context):
    return count


def do_tmp(event, context):
    had = os.path.exists("/tmp/kept")
    with open("/tmp/kept", "w") as file:
        file.write("x")
    return had


def do_write(event, context):
    try:
        open(event["path"], "w").close()
    except OSError as error:
        return os.strerror(error.errno)


def do_place(event, context):
    return {"cwd": os.getcwd(), "zone": time.strftime("%z"), "pid": os.getpid(), "uid": os.getuid()}


def do_bad(event, context):
    return {1, 2}
