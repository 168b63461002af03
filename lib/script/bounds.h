/* bounds.h - what a program may use: instructions, memory and, at the last, time. */
#ifndef SCRIPT_BOUNDS_H
#define SCRIPT_BOUNDS_H

#include "script/sandbox.h"

/* Lua's allocator for a sandbox. */
void *bounds_allocate(void *sandbox, void *old, size_t had, size_t wanted);

/* Each run has a budget of its own. */
void bounds_begin(struct sandbox *s);

/* Whether memory was exhausted in this run; status: of the lua_pcall. */
bool bounds_exhausted(const struct sandbox *s, int status);

/* Frees what a run that was exhausted has left. */
void bounds_recover(struct sandbox *s);

/* How much of the memory one run may add. */
size_t bounds_share(size_t memory);

/* The rest raise Lua errors: call them in protected mode. */

/* Raises the error that memory is exhausted, which ends the run whatever catches it. */
int sandbox_no_memory(lua_State *L);

/* Counts so many instructions of work that a function in C does for the program; raises
 * the error that its budget is spent, which ends the run too. */
void sandbox_spend(lua_State *L, uint64_t steps);

/* The same for work on so many bytes. */
void sandbox_spend_bytes(lua_State *L, size_t bytes);

/* The same for so many values on the stack, each of which an instruction may pass on. */
void sandbox_many(lua_State *L, uint64_t values);

/* Raises the error that memory is exhausted unless so many bytes more may be had outside
 * of Lua's memory.  The caller adds them to `used` or `outside`. */
void sandbox_room(lua_State *L, size_t bytes);

#endif
