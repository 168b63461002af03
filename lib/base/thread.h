/* thread.h - threads with a stack large enough for deep nesting. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Stack in bytes that a Lua program may need: 200 calls between Lua and C, each with a
 * buffer, and values nested 512 deep. */
#define STACK_NEEDED ((size_t)2 << 20)

#define THREADS_MOST 256 /* for one job: more do not help */

/* Like pthread_create, with at least such a stack, whatever `ulimit -s` says. */
int thread_start(pthread_t *id, void *(*run)(void *), void *arg);

/* Whether this thread has such a stack. */
bool thread_is_roomy(void);

#endif
