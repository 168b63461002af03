/*
 * shim.c - preloaded into a tool, this makes its N-th system call or allocation fail, or
 * kills it there, or records what a power cut could undo.  The environment says which:
 *
 *   - FAULT_AT: the number N of the call after main() starts, of those in FAULT_CLASS;
 *   - FAULT_CLASS: calls (default) or memory;
 *   - FAULT_NAME: count only calls of this name, or of these: a,b;
 *   - FAULT_DO: kill, stop or term (the signals, before the call), killed (after it),
 * short, or an errno;
 *   - FAULT_STICKY=1: also all later calls of that name, or of the list;
 *   - FAULT_REPORT: a file for the number of calls made, and the name of the N-th;
 *   - FAULT_CLOCK: seconds by which the wall clock is shifted;
 *   - FAULT_BOOT: a file in place of the kernel's boot id;
 *   - FAULT_TRACE: a file for every change to files below FAULT_BELOW, for power.py.
 *
 * It sees the calls that the tool or a library makes through libc, but not libc's own,
 * and not those of a child before it becomes another program.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum action { NOTHING, KILL, KILLED, STOP, TERM, SHORT, FAIL };

static struct {
	bool armed, memory, sticky;
	enum action action;
	int error;
	long at, count;
	long long clock;
	char hit[32]; /* the name of the N-th call */
	int trace;
	pid_t pid; /* its children are not counted */
	const char *name, *report, *below, *boot;
} fault = {.trace = -1};

/* ---- Choosing the call and the fault ---- */

static void report(void)
{
	char text[80];

	fault.armed = false; /* what libraries do when a process exits is not tested */
	if (!fault.report)
		return;
	int fd = (int)syscall(SYS_open, fault.report, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int n = snprintf(text, sizeof text, "%ld %s\n", fault.count, fault.hit);
	if (fd >= 0) {
		syscall(SYS_write, fd, text, n);
		syscall(SYS_close, fd);
	}
}

static void die(void)
{
	report();
	syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
	for (;;)
		syscall(SYS_pause);
}

/* Whether a name is in a comma-separated list. */
static bool is_named(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
		if ((p == list || p[-1] == ',') && (!p[n] || p[n] == ','))
			return true;
	return false;
}

/* Counts the call and returns what to do with it. */
static enum action meet(const char *name, bool memory)
{
	if (!fault.armed || memory != fault.memory ||
	    (fault.name && !is_named(fault.name, name)) ||
	    syscall(SYS_getpid) != fault.pid)
		return NOTHING;
	fault.count++;
	if (fault.count == fault.at)
		strncpy(fault.hit, name, sizeof fault.hit - 1);
	else if (fault.count < fault.at || !fault.sticky ||
		 (strcmp(name, fault.hit) != 0 &&
		     !(fault.name && strchr(fault.name, ','))))
		return NOTHING;
	if (fault.action == KILL)
		die();
	if (fault.action == STOP)
		syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
	if (fault.action == TERM)
		syscall(SYS_kill, syscall(SYS_getpid), SIGTERM);
	if (fault.action == FAIL)
		errno = fault.error;
	return fault.action;
}

/* For a call that cannot be short: `short` does not affect it. */
#define CALL(type, bad, name, memory, real)                                              \
	do {                                                                             \
		enum action act_ = meet(#name, memory);                                  \
		if (act_ == FAIL)                                                        \
			return bad;                                                      \
		type r_ = real;                                                          \
		if (act_ == KILLED)                                                      \
			die();                                                           \
		return r_;                                                               \
	} while (0)

#define NEXT(name)                                                                       \
	static __typeof__(name) *next_;                                                  \
	if (!next_)                                                                      \
	*(void **)&next_ = dlsym(RTLD_NEXT, #name)

/* ---- Recording what a power cut could undo ---- */

static bool path_of(int fd, char path[PATH_MAX])
{
	char link[64];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = syscall(SYS_readlink, link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool path_at(int dir, const char *name, char path[PATH_MAX])
{
	char base[PATH_MAX];

	if (name[0] == '/')
		return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
	if (dir == AT_FDCWD) {
		if (syscall(SYS_getcwd, base, sizeof base) < 0)
			return false;
	} else if (!path_of(dir, base)) {
		return false;
	}
	return snprintf(path, PATH_MAX, "%s/%s", base, name) < PATH_MAX;
}

/* Writes a record: a line "OP OFFSET LENGTH PATH [PATH2]", then LENGTH bytes. */
static void trace(const char *op, uint64_t offset, const void *p, size_t len,
    const char *path, const char *path2)
{
	char line[2 * PATH_MAX + 80];
	int saved = errno;

	if (fault.trace < 0 || !fault.armed || !path)
		return;
	if (strcmp(op, "ack") != 0 &&
	    strncmp(path, fault.below, strlen(fault.below)) != 0)
		return;
	int n = snprintf(line, sizeof line, "%s\t%llu\t%zu\t%s\t%s\n", op,
	    (unsigned long long)offset, len, path, path2 ? path2 : "");
	syscall(SYS_write, fault.trace, line, n);
	for (size_t done = 0; done < len;) {
		long r =
		    syscall(SYS_write, fault.trace, (const char *)p + done, len - done);
		if (r <= 0)
			die();
		done += (size_t)r;
	}
	errno = saved;
}

static void trace_fd(const char *op, uint64_t offset, const void *p, size_t len, int fd)
{
	char path[PATH_MAX];

	if (fault.trace >= 0 && fault.armed && path_of(fd, path))
		trace(op, offset, p, len, path, NULL);
}

/* ---- Opening ---- */

static int open_at(const char *name, int dir, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];

	if (fault.boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = fault.boot;
	enum action act = meet(name, false);
	if (act == FAIL)
		return -1;
	bool new = (flags & O_CREAT) && fault.trace >= 0 && path_at(dir, path, full) &&
		   syscall(SYS_access, full, F_OK) < 0;
	long fd = syscall(SYS_openat, dir, path, flags, mode);
	if (fd >= 0 && new)
		trace("create", 0, NULL, 0, full, NULL);
	if (act == KILLED)
		die();
	return (int)fd;
}

#define MODE(flags, mode)                                                                \
	mode_t mode = 0;                                                                 \
	if ((flags) & (O_CREAT | O_TMPFILE)) {                                           \
		va_list ap_;                                                             \
		va_start(ap_, flags);                                                    \
		mode = va_arg(ap_, mode_t);                                              \
		va_end(ap_);                                                             \
	}

int open(const char *path, int flags, ...)
{
	MODE(flags, mode)
	return open_at("open", AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int dir, const char *path, int flags, ...)
{
	MODE(flags, mode)
	return open_at("openat", dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...) __attribute__((alias("openat")));

int __open_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);

int __open_2(const char *path, int flags)
{
	return open_at("open", AT_FDCWD, path, flags, 0);
}

int __openat_2(int dir, const char *path, int flags)
{
	return open_at("openat", dir, path, flags, 0);
}

int mkostemp(char *template, int flags)
{
	NEXT(mkostemp);
	char full[PATH_MAX];
	enum action act = meet("mkostemp", false);

	if (act == FAIL)
		return -1;
	int fd = next_(template, flags);
	if (fd >= 0 && path_at(AT_FDCWD, template, full))
		trace("create", 0, NULL, 0, full, NULL);
	if (act == KILLED)
		die();
	return fd;
}

int mkdir(const char *path, mode_t mode)
{
	char full[PATH_MAX];
	enum action act = meet("mkdir", false);

	if (act == FAIL)
		return -1;
	int r = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
	if (r == 0 && path_at(AT_FDCWD, path, full))
		trace("mkdir", 0, NULL, 0, full, NULL);
	if (act == KILLED)
		die();
	return r;
}

/* ---- Reading and writing ---- */

static ssize_t read_from(const char *name, int fd, void *p, size_t n, off_t offset)
{
	enum action act = meet(name, false);

	if (act == FAIL)
		return -1;
	if (act == SHORT && n > 1)
		n = n / 2;
	ssize_t r = offset < 0 ? syscall(SYS_read, fd, p, n)
			       : syscall(SYS_pread64, fd, p, n, offset);
	if (act == KILLED)
		die();
	return r;
}

static ssize_t write_to(const char *name, int fd, const void *p, size_t n, off_t offset)
{
	enum action act = meet(name, false);

	if (act == FAIL)
		return -1;
	if (act == SHORT && n > 1)
		n = n / 2;
	ssize_t r = offset < 0 ? syscall(SYS_write, fd, p, n)
			       : syscall(SYS_pwrite64, fd, p, n, offset);
	if (r > 0 && offset >= 0)
		trace_fd("write", (uint64_t)offset, p, (size_t)r, fd);
	else if (r > 0 && fd == 1)
		trace("ack", 0, p, (size_t)r, "", NULL);
	else if (r > 0)
		trace_fd("append", 0, p, (size_t)r, fd);
	if (act == KILLED)
		die();
	return r;
}

ssize_t read(int fd, void *p, size_t n)
{
	return read_from("read", fd, p, n, -1);
}

ssize_t pread(int fd, void *p, size_t n, off_t offset)
{
	return read_from("pread", fd, p, n, offset);
}

ssize_t pread64(int fd, void *p, size_t n, off_t offset) __attribute__((alias("pread")));

ssize_t write(int fd, const void *p, size_t n)
{
	return write_to("write", fd, p, n, -1);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return write_to("pwrite", fd, p, n, offset);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t offset)
    __attribute__((alias("pwrite")));

/* While changes are recorded, there is no such call: then the bytes are written. */
ssize_t copy_file_range(int from, off_t *in, int to, off_t *out, size_t n, unsigned flags)
{
	if (fault.trace >= 0) {
		errno = ENOSYS;
		return -1;
	}
	enum action act = meet("copy_file_range", false);

	if (act == FAIL)
		return -1;
	ssize_t r = syscall(SYS_copy_file_range, from, in, to, out,
	    act == SHORT && n > 1 ? n / 2 : n, flags);
	if (act == KILLED)
		die();
	return r;
}

static int sync_fd(const char *name, int number, int fd)
{
	enum action act = meet(name, false);

	if (act == FAIL) {
		trace_fd("unsynced", 0, NULL, 0, fd);
		return -1;
	}
	int r = (int)syscall(number, fd);
	if (r == 0)
		trace_fd("sync", 0, NULL, 0, fd);
	if (act == KILLED)
		die();
	return r;
}

int fsync(int fd)
{
	return sync_fd("fsync", SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_fd("fdatasync", SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t size)
{
	enum action act = meet("ftruncate", false);

	if (act == FAIL)
		return -1;
	int r = (int)syscall(SYS_ftruncate, fd, size);
	if (r == 0)
		trace_fd("truncate", (uint64_t)size, NULL, 0, fd);
	if (act == KILLED)
		die();
	return r;
}

int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));

/* As on Linux, the descriptor is closed even if close fails. */
int close(int fd)
{
	enum action act = meet("close", false);
	int r = (int)syscall(SYS_close, fd);

	if (act == KILLED)
		die();
	if (act == FAIL)
		errno = fault.error;
	return act == FAIL ? -1 : r;
}

/* ---- Names ---- */

static int rename_at(const char *name, int a, const char *from, int b, const char *to)
{
	char x[PATH_MAX], y[PATH_MAX];
	enum action act = meet(name, false);

	if (act == FAIL)
		return -1;
	int r = (int)syscall(SYS_renameat, a, from, b, to);
	if (r == 0 && path_at(a, from, x) && path_at(b, to, y))
		trace("rename", 0, NULL, 0, x, y);
	if (act == KILLED)
		die();
	return r;
}

int rename(const char *from, const char *to)
{
	return rename_at("rename", AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int a, const char *from, int b, const char *to)
{
	return rename_at("renameat", a, from, b, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags)
{
	char x[PATH_MAX], y[PATH_MAX];
	enum action act = meet("linkat", false);

	if (act == FAIL)
		return -1;
	int r = (int)syscall(SYS_linkat, a, from, b, to, flags);
	if (r == 0 && path_at(a, from, x) && path_at(b, to, y))
		trace("link", 0, NULL, 0, x, y);
	if (act == KILLED)
		die();
	return r;
}

static int unlink_at(const char *name, int dir, const char *path, int flags)
{
	char full[PATH_MAX];
	enum action act = meet(name, false);

	if (act == FAIL)
		return -1;
	int r = (int)syscall(SYS_unlinkat, dir, path, flags);
	if (r == 0 && path_at(dir, path, full))
		trace("unlink", 0, NULL, 0, full, NULL);
	if (act == KILLED)
		die();
	return r;
}

int unlink(const char *path)
{
	return unlink_at("unlink", AT_FDCWD, path, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
	return unlink_at("unlinkat", dir, path, flags);
}

int rmdir(const char *path)
{
	return unlink_at("rmdir", AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---- The rest ---- */

int fstat(int fd, struct stat *st)
{
	NEXT(fstat);
	CALL(int, -1, fstat, false, next_(fd, st));
}

int stat(const char *path, struct stat *st)
{
	NEXT(stat);
	CALL(int, -1, stat, false, next_(path, st));
}

int fstatat(int dir, const char *path, struct stat *st, int flags)
{
	NEXT(fstatat);
	CALL(int, -1, fstatat, false, next_(dir, path, st, flags));
}

int fstatfs(int fd, struct statfs *st)
{
	NEXT(fstatfs);
	CALL(int, -1, fstatfs, false, next_(fd, st));
}

int fchmod(int fd, mode_t mode)
{
	CALL(int, -1, fchmod, false, (int)syscall(SYS_fchmod, fd, mode));
}

off_t lseek(int fd, off_t offset, int whence)
{
	CALL(off_t, -1, lseek, false, syscall(SYS_lseek, fd, offset, whence));
}

int fcntl(int fd, int command, ...)
{
	va_list ap;

	va_start(ap, command);
	void *arg = va_arg(ap, void *);
	va_end(ap);
	CALL(int, -1, fcntl, false, (int)syscall(SYS_fcntl, fd, command, arg));
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

DIR *fdopendir(int fd)
{
	NEXT(fdopendir);
	CALL(DIR *, NULL, fdopendir, false, next_(fd));
}

struct dirent *readdir(DIR *dir)
{
	NEXT(readdir);
	CALL(struct dirent *, NULL, readdir, false, next_(dir));
}

int closedir(DIR *dir)
{
	NEXT(closedir);
	CALL(int, -1, closedir, false, next_(dir));
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
	CALL(int, -1, poll, false, (int)syscall(SYS_poll, fds, n, ms));
}

int inotify_init1(int flags)
{
	CALL(int, -1, inotify_init1, false, (int)syscall(SYS_inotify_init1, flags));
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	CALL(int, -1, inotify_add_watch, false,
	    (int)syscall(SYS_inotify_add_watch, fd, path, mask));
}

ssize_t getrandom(void *p, size_t n, unsigned flags)
{
	CALL(ssize_t, -1, getrandom, false, syscall(SYS_getrandom, p, n, flags));
}

int pipe2(int fds[2], int flags)
{
	CALL(int, -1, pipe2, false, (int)syscall(SYS_pipe2, fds, flags));
}

int memfd_create(const char *name, unsigned flags)
{
	CALL(int, -1, memfd_create, false, (int)syscall(SYS_memfd_create, name, flags));
}

pid_t fork(void)
{
	NEXT(fork);
	enum action act = meet("fork", false);

	if (act == FAIL)
		return -1;
	pid_t pid = next_();
	if (act == KILLED && pid != 0)
		die();
	return pid;
}

int nanosleep(const struct timespec *t, struct timespec *rest)
{
	CALL(int, -1, nanosleep, false, (int)syscall(SYS_nanosleep, t, rest));
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);

	if (id == CLOCK_REALTIME)
		t->tv_sec += fault.clock;
	return r;
}

/* ---- Memory ---- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	CALL(void *, NULL, malloc, true, __libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	CALL(void *, NULL, calloc, true, __libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
	CALL(void *, NULL, realloc, true, __libc_realloc(p, n));
}

/* ---- Counting from main() on ---- */

static int (*real_main)(int, char **, char **);

static long number(const char *name)
{
	const char *text = getenv(name);

	return text ? atol(text) : 0;
}

static int armed_main(int argc, char **argv, char **envp)
{
	const char *class = getenv("FAULT_CLASS"), *what = getenv("FAULT_DO"),
		   *path = getenv("FAULT_TRACE");

	fault.pid = (pid_t)syscall(SYS_getpid);
	fault.at = number("FAULT_AT");
	fault.sticky = number("FAULT_STICKY");
	fault.clock = number("FAULT_CLOCK");
	fault.name = getenv("FAULT_NAME");
	fault.report = getenv("FAULT_REPORT");
	fault.boot = getenv("FAULT_BOOT");
	fault.below = getenv("FAULT_BELOW");
	fault.memory = class && strcmp(class, "memory") == 0;
	if (path && fault.below)
		fault.trace =
		    (int)syscall(SYS_open, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (!what)
		fault.action = NOTHING;
	else if (strcmp(what, "kill") == 0)
		fault.action = KILL;
	else if (strcmp(what, "killed") == 0)
		fault.action = KILLED;
	else if (strcmp(what, "stop") == 0)
		fault.action = STOP;
	else if (strcmp(what, "term") == 0)
		fault.action = TERM;
	else if (strcmp(what, "short") == 0)
		fault.action = SHORT;
	else {
		fault.action = FAIL;
		fault.error = atoi(what);
	}
	unsetenv("LD_PRELOAD"); /* do not count in other programs either */
	atexit(report);
	fault.armed = true;
	return real_main(argc, argv, envp);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
    void (*init)(void), void (*fini)(void), void (*end)(void), void *stack);

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
    void (*init)(void), void (*fini)(void), void (*end)(void), void *stack)
{
	NEXT(__libc_start_main);
	real_main = main;
	return next_(armed_main, argc, argv, init, fini, end, stack);
}
