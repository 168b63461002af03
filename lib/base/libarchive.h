/*
 * libarchive.h - libarchive, loaded when a file asks for it: with what it needs itself
 * (libxml2, ICU) that takes longer than all that most commands do.
 */
#ifndef BASE_LIBARCHIVE_H
#define BASE_LIBARCHIVE_H

#include "evlog.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>

/* What is used of it. */
#define LIBARCHIVE(X)                                                                    \
	X(archive_read_new)                                                              \
	X(archive_read_open)                                                             \
	X(archive_read_open1)                                                            \
	X(archive_read_set_read_callback)                                                \
	X(archive_read_set_seek_callback)                                                \
	X(archive_read_set_callback_data)                                                \
	X(archive_read_next_header)                                                      \
	X(archive_read_data_block)                                                       \
	X(archive_read_free)                                                             \
	X(archive_entry_filetype)                                                        \
	X(archive_entry_pathname)                                                        \
	X(archive_format)                                                                \
	X(archive_errno)                                                                 \
	X(archive_error_string)                                                          \
	X(archive_set_error)

struct libarchive {
	void *handle;
#define X(name) __typeof__(name) *name;
	LIBARCHIVE(X)
#undef X
};

/* Fills *la.  It stays loaded until the process ends. */
int libarchive_load(struct libarchive *la, evlog_error *err);

/* Calls archive_read_support_NAME for each name of a list that ends with NULL.  false: no
 * memory. */
bool libarchive_support(
    const struct libarchive *la, struct archive *a, const char *const *names);

#endif
