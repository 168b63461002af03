/* bounds.h - limits on what a program may use: instructions, memory and, as a last
 * resort, time. */
#ifndef SCRIPT_BOUNDS_H
#define SCRIPT_BOUNDS_H

#include "script/sandbox.h"

/* Lua's allocator; `sandbox` is a struct sandbox. */
void *bounds_allocate(void *sandbox, void *old, size_t had, size_t wanted);

/* Gives the next run a budget of its own. */
void bounds_begin(struct sandbox *s);

/* Whether memory ran out in this run; `status` is what lua_pcall returned. */
bool bounds_exhausted(const struct sandbox *s, int status);

/* Frees what a run that ran out of memory has left behind. */
void bounds_recover(struct sandbox *s);

/* The part of the memory limit that one run may add. */
size_t bounds_share(size_t memory);

/* All that follow raise Lua errors: call them in protected mode. */

/* Raises an out-of-memory error, which ends the run even if the program catches it. */
int sandbox_no_memory(lua_State *L);

/* Charges instructions for work that a C function does for the program.  If the budget is
 * spent, raises an error that ends the run in the same way. */
void sandbox_spend(lua_State *L, uint64_t steps);

/* The same for work on so many bytes. */
void sandbox_spend_bytes(lua_State *L, size_t bytes);

/* The same for that many values on the stack, each of which an instruction may pass
 * on. */
void sandbox_many(lua_State *L, uint64_t values);

/* Raises an out-of-memory error unless that many more bytes may be used outside of Lua's
 * memory.  The caller adds them to `used` or `outside`. */
void sandbox_room(lua_State *L, size_t bytes);

#endif
