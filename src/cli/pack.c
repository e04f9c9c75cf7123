/* Zipping a folder.
 *
 * One level at a time: names are read and sorted, then written in that order, so a package depends
 * on the folder's content alone. Symbolic links are packed as links; the server judges them. */
#include "cli/pack.h"

#include "base/mem.h"
#include "data/zip.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 32 };

struct packing {
    struct zip_writer *zip;
    struct err *err;
    char name[ZIP_NAME_MAX + 1]; /* inside the archive, of the current entry */
};

bool pack_is_left_out(struct str name)
{
    static const char *const names[] = {".git",       ".hg",   ".svn",        "__pycache__",
                                        ".DS_Store",  ".venv", ".mypy_cache", ".pytest_cache",
                                        ".gitignore", ".idea", ".vscode"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(name, str_from(names[i])))
            return true;
    }
    return str_ends(name, STR(".pyc"));
}

static int pack_file(struct packing *p, int dir_fd, const char *name, mode_t mode)
{
    char path[64];
    AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(p->err, -errno, "open '%s'", p->name);
    AUTO_BUF struct buf bytes;
    buf_init(&bytes, 256u << 20);
    (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = file_read(path, &bytes, p->err);
    if (rc < 0) {
        (void) err_wrap(p->err, "'%s'", p->name);
        return rc;
    }
    return zip_writer_file(p->zip, str_from(p->name), buf_str(&bytes), (mode & 0111) != 0, p->err);
}

static int pack_link(struct packing *p, int dir_fd, const char *name)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(dir_fd, name, target, sizeof target);
    if (len < 0)
        return err_set(p->err, -errno, "read link '%s'", p->name);
    return zip_writer_link(p->zip, str_from(p->name), str_of(target, (size_t) len), p->err);
}

static int pack_dir(struct packing *p, int dir_fd, size_t name_len, unsigned depth);

static int pack_entry(struct packing *p, int dir_fd, const char *name, size_t name_len,
                      unsigned depth)
{
    struct stat st;
    int len = snprintf(p->name + name_len, sizeof p->name - name_len, "%s%s",
                       name_len == 0 ? "" : "/", name);
    if (len < 0 || (size_t) len >= sizeof p->name - name_len ||
        !zip_name_is_safe(str_from(p->name)))
        return err_say(p->err, -EINVAL, "the name '%.80s' cannot be packed", name);
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(p->err, -errno, "look at '%s'", p->name);
    if (S_ISREG(st.st_mode))
        return pack_file(p, dir_fd, name, st.st_mode);
    if (S_ISLNK(st.st_mode))
        return pack_link(p, dir_fd, name);
    if (!S_ISDIR(st.st_mode))
        return err_say(p->err, -EINVAL, "'%s' is neither file, folder nor link", p->name);
    AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set(p->err, -errno, "open '%s'", p->name);
    return pack_dir(p, fd, name_len + (size_t) len, depth + 1);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_wanted(const struct dirent *entry)
{
    struct str name = str_from(entry->d_name);
    return !str_eq(name, STR(".")) && !str_eq(name, STR("..")) && !pack_is_left_out(name);
}

static int pack_dir(struct packing *p, int dir_fd, size_t name_len, unsigned depth)
{
    struct dirent **entries;
    if (depth > DEPTH_MAX)
        return err_say(p->err, -EINVAL, "'%.80s' lies too deep", p->name);
    int count = scandirat(dir_fd, ".", &entries, is_wanted, by_name);
    if (count < 0)
        return err_set(p->err, -errno, "read folder '%s'", p->name);
    int rc = 0;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = pack_entry(p, dir_fd, entries[i]->d_name, name_len, depth);
        p->name[name_len] = '\0';
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int pack_path(const char *path, struct buf *out_zip, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, -errno, "open '%s'", path);
    if (!S_ISDIR(st.st_mode))
        return file_read(path, out_zip, err);
    AUTO_ZIP_WRITER struct zip_writer *writer = NULL;
    int rc = zip_writer_new(out_zip, &writer, err);
    if (rc < 0)
        return rc;
    struct packing *p = NEW(struct packing);
    p->zip = writer;
    p->err = err;
    rc = pack_dir(p, fd, 0, 0);
    free(p);
    return rc < 0 ? rc : zip_writer_end(writer, err);
}
