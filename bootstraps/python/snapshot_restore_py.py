"""Functions to be called around a snapshot, by AWS's names: the module of Lambda SnapStart for Python.

Where no snapshot is taken or restored, registering has no effect. Hooks before a snapshot run in
reverse order of registration, hooks after a restore in order.
"""
_before_snapshot = []
_after_restore = []


def register_before_snapshot(func, *args, **kwargs):
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before_snapshot


def get_after_restore():
    return _after_restore
