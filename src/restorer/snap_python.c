/* The snapshotter as a Python module: virga_snap.take(fd, kept_fd) returns "" in the template once
 * the image is written, None in a copy, or the reason why there is none.
 *
 * Declares the few functions of Python's stable ABI that it uses by hand, so that building Virga
 * needs no Python headers and one library fits every Python 3. The interpreter exports them.
 *
 * The GIL is held throughout: it is a lock in the process's own memory, free of waiters because
 * there is one thread. In a copy the interpreter is told what it is told after a fork: its idea of
 * threads is renewed, `random` is seeded anew, and handlers that libraries have registered with
 * os.register_at_fork run.
 * Source: Python/C API, "Stable Application Binary Interface"; PEP 384. */
#include "restorer/snap.h"

#include <stddef.h>

typedef struct PyObject PyObject;
typedef PyObject *(*method_fn)(PyObject *self, PyObject *args);

struct method {
    const char *name;
    method_fn call;
    int flags;
    const char *doc;
};

/* PyModuleDef: PyModuleDef_Base (object header, init, index, copy), then the description. */
struct module_def {
    size_t refcount;
    void *type;
    PyObject *(*init)(void);
    ptrdiff_t index;
    PyObject *copy;
    const char *name, *doc;
    ptrdiff_t size;
    const struct method *methods;
    void *slots, *traverse, *clear, *free;
};

enum { METH_VARARGS = 1, ABI_VERSION = 3 };

PyObject *PyModule_Create2(struct module_def *def, int abi_version);
PyObject *PyUnicode_FromString(const char *text);
PyObject *Py_BuildValue(const char *format, ...);
int PyArg_ParseTuple(PyObject *args, const char *format, ...);
void PyOS_AfterFork_Child(void);

static PyObject *take(PyObject *self, PyObject *args)
{
    (void) self;
    int fd, kept_fd;
    char reason[SNAP_REASON_MAX] = "";
    if (!PyArg_ParseTuple(args, "ii", &fd, &kept_fd))
        return NULL;
    switch (snap_take(fd, kept_fd, 1, reason)) {
    case SNAP_RESTORED: PyOS_AfterFork_Child(); return Py_BuildValue("");
    case SNAP_WRITTEN: return PyUnicode_FromString("");
    case SNAP_REFUSED: break;
    }
    return PyUnicode_FromString(reason[0] == '\0' ? "for an unknown reason" : reason);
}

PyObject *PyInit_virga_snap(void);
__attribute__((visibility("default"))) PyObject *PyInit_virga_snap(void)
{
    static const struct method methods[] = {{"take", take, METH_VARARGS, NULL},
                                            {NULL, NULL, 0, NULL}};
    static struct module_def def = {
        .refcount = 1, .name = "virga_snap", .size = -1, .methods = methods};
    return PyModule_Create2(&def, ABI_VERSION);
}
