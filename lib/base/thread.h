/* thread.h - threads with room for what is nested. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Bytes of stack that a program in Lua may need: 200 calls between Lua and C, each with a
 * buffer, and values nested 512 deep. */
#define STACK_NEEDED ((size_t)2 << 20)

/* pthread_create with such a stack, whatever `ulimit -s` is. */
int thread_start(pthread_t *id, void *(*run)(void *), void *arg);

/* Whether this thread has such a stack. */
bool thread_is_roomy(void);

#endif
