/* What a power cut leaves of a database.
 *
 * Preloaded into a process, this keeps for every file with ".db" in its name a shadow,
 * "<file>.synced", that holds the file's content as of its last fsync or fdatasync. Whoever puts the
 * shadows in place of the files drops every write that was not synced. A file that was never synced
 * has no shadow: after a power cut it need not exist.
 *
 * The copy is made before the sync returns, so nothing that waits for the sync goes on before it is
 * there. An unlink takes the shadow with it at once: a file system with a journal keeps the order of
 * names and later syncs, and every answer follows a later sync. Each file is written by one thread, the one that syncs it, so the copy is whole. Memory-mapped
 * files (the shared-memory index) are rebuilt from the log and need no shadow. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_database(const char *path) {
    const char *name = strrchr(path, '/');
    return name && strstr(name, ".db") && !strstr(name, ".synced");
}

static int copy(int from, int to) {
    char block[65536];
    off_t at = 0;
    for (;;) {
        ssize_t n = pread(from, block, sizeof block, at);
        if (n < 0) return -1;
        if (n == 0) return 0;
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(to, block + done, (size_t)(n - done));
            if (w <= 0) return -1;
            done += w;
        }
        at += n;
    }
}

static void shadow(int fd) {
    char link[64], path[PATH_MAX], fresh[PATH_MAX + 64], kept[PATH_MAX + 16];
    struct stat meta;
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0 && fstat(fd, &meta) == 0 && S_ISREG(meta.st_mode)) {
        path[length] = 0;
        if (is_database(path)) {
            snprintf(fresh, sizeof fresh, "%s.synced.%ld", path, (long)syscall(SYS_gettid));
            snprintf(kept, sizeof kept, "%s.synced", path);
            int from = open(link, O_RDONLY | O_CLOEXEC);
            int to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            int whole = from >= 0 && to >= 0 && copy(from, to) == 0;
            if (from >= 0) close(from);
            if (to >= 0) close(to);
            if (whole) rename(fresh, kept);
        }
    }
    errno = saved;
}

int fsync(int fd) {
    int result = (int)syscall(SYS_fsync, fd);
    if (result == 0) shadow(fd);
    return result;
}

int fdatasync(int fd) {
    int result = (int)syscall(SYS_fdatasync, fd);
    if (result == 0) shadow(fd);
    return result;
}

int unlink(const char *path) {
    char kept[PATH_MAX + 16];
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (result == 0 && is_database(path)) {
        int saved = errno;
        snprintf(kept, sizeof kept, "%s.synced", path);
        syscall(SYS_unlinkat, AT_FDCWD, kept, 0);
        errno = saved;
    }
    return result;
}
