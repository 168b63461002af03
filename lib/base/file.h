/* file.h - whole reads and writes, syncing, locking.  Knows nothing of events. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads up to n bytes at `offset`, looping over short reads and EINTR.  Returns how
 * many there were (fewer only at the end of the file), or -1 with errno. */
ssize_t file_pread(int fd, void *p, size_t n, uint64_t offset);

/* Writes all n bytes.  0, or -1 with errno; some of it may then be written. */
int file_pwrite(int fd, const void *p, size_t n, uint64_t offset);
int file_write(int fd, const void *p, size_t n);

/* fdatasync, and fsync for directories.  Never call again after a failure: the
 * kernel may have dropped the pages (format: "fsync failed").  0 or -1. */
int file_sync(int fd);

/* Waits up to wait_ms for an OFD write lock on the whole file (fcntl(2)): not
 * dropped by another close in this process, as POSIX locks are.
 * 0; -1 with errno, EAGAIN: not had in time. */
int file_lock(int fd, int64_t wait_ms);
int file_unlock(int fd);

/* 1: somebody has the lock; 0: nobody; -1 and errno. */
int file_is_locked(int fd);

/* Whether locks on this file may be lost: NFS, CIFS, 9p, FUSE. */
bool file_is_remote(int fd);

/* The kernel's id of this boot; all bytes 0xff where there is none to be had. */
void file_boot_id(unsigned char id[16]);

/* Whether both are of the same boot, for sure. */
bool boot_is(const unsigned char a[16], const unsigned char b[16]);

/* 0 or -1 with errno. */
int file_random(void *p, size_t n);

/* Nanoseconds of a clock that never steps. */
int64_t file_clock(void);

/* Fills the XXXXXX at the end of `template` so that there is no such name.  It makes a
 * new file with this mode, less umask, and opens it; or a folder, and returns 0. -1 with
 * errno.  (mkstemp(3) takes no mode, and umask cannot be asked for in a process with
 * threads.) */
int file_temporary(char *template, mode_t mode);
int folder_temporary(char *template);

/* Opens a new file that has no name, in TMPDIR or /tmp, for what is kept for a while.
 * -1 and errno: it cannot. */
int file_nameless(void);

#endif
