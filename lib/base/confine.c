/*
 * confine.c - makes a process give up what it does not need before it reads hostile
 * bytes.
 *
 * Landlock (Linux 5.13) takes away the file system, and seccomp all system calls except
 * those that move bytes and manage memory.  Resource limits, which every system has,
 * bound the memory.  If the kernel lacks one of them, the others still apply.
 */
#include "base/os.h"

#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNCONFINED 1 /* sanitizers reserve terabytes of address space, and open files */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNCONFINED 1
#endif
#endif

#if defined(__linux__) && !defined(EVLOG_PORTABLE) && !defined(UNCONFINED)
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#endif

/* ---- Landlock ---- */

static void files_forbid(void)
{
#ifdef LANDLOCK_ACCESS_FS_MAKE_SYM
	/* everything that version 1 covers, and no rule that allows any of it */
	struct landlock_ruleset_attr all = {
	    .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);

	if (fd >= 0) {
		syscall(SYS_landlock_restrict_self, fd, 0);
		close(fd);
	}
#endif
}

/* ---- seccomp ---- */

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#ifdef MACHINE
#define LOAD(field)                                                                      \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)
#define ALLOW(name)                                                                      \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), ANSWER(SECCOMP_RET_ALLOW)

static void calls_forbid(void)
{
	/* other calls fail as they would without permission */
	static struct sock_filter rules[] = {
	    LOAD(arch),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
	    ANSWER(SECCOMP_RET_ERRNO | EPERM),
	    LOAD(nr),
	    ALLOW(read),
	    ALLOW(pread64),
	    ALLOW(write),
	    ALLOW(writev),
	    ALLOW(lseek),
	    ALLOW(close),
	    ALLOW(fstat),
	    ALLOW(newfstatat),
	    ALLOW(mmap),
	    ALLOW(munmap),
	    ALLOW(mremap),
	    ALLOW(mprotect),
	    ALLOW(madvise),
	    ALLOW(brk),
	    ALLOW(futex),
	    ALLOW(getrandom),
	    ALLOW(gettimeofday),
	    ALLOW(clock_gettime),
	    ALLOW(rt_sigaction),
	    ALLOW(rt_sigprocmask),
	    ALLOW(rt_sigreturn),
	    ALLOW(restart_syscall),
	    ALLOW(getpid),
	    ALLOW(gettid),
	    ALLOW(exit),
	    ALLOW(exit_group),
	    ANSWER(SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = {
	    .len = sizeof rules / sizeof *rules, .filter = rules};

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
static void calls_forbid(void)
{
}
#endif

static void kernel_forbid(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return;
	files_forbid();
	calls_forbid();
}
#else
static void kernel_forbid(void)
{
}
#endif

static void limit(int what, uint64_t most)
{
	struct rlimit now, r = {(rlim_t)most, (rlim_t)most};

	if (getrlimit(what, &now) == 0 && now.rlim_max < r.rlim_max)
		r.rlim_cur = r.rlim_max = now.rlim_max;
	setrlimit(what, &r);
}

void os_confine(uint64_t memory)
{
#ifndef UNCONFINED
	limit(RLIMIT_AS, memory);
#else
	(void)memory;
#endif
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0); /* applies to files, not to pipes */
	kernel_forbid();
}
