/* file.h - whole reads and writes, waiting for a lock, temporary files.  Knows nothing of
 * events. */
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

/* Waits up to wait_ms for the lock of os_lock_try.  0; -1 with errno, EAGAIN: somebody
 * else had it all the time. */
int file_lock(int fd, int64_t wait_ms);

/* Whether both are of the same boot, for sure. */
bool boot_is(const unsigned char a[16], const unsigned char b[16]);

/* Nanoseconds of a clock that never steps. */
int64_t file_clock(void);

/* Fills the XXXXXX at the end of `template` so that there is no such name.  It makes a
 * new file with this mode, less umask, and opens it; or a folder, and returns 0. -1 with
 * errno.  (mkstemp(3) takes no mode, and umask cannot be asked for in a process with
 * threads.) */
int file_temporary(char *template, mode_t mode);
int folder_temporary(char *template);

#endif
