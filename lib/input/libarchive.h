/* libarchive.h - libarchive, loaded when a file asks for it: with what it needs itself
 * (libxml2, ICU) that takes 2 ms. */
#ifndef INPUT_LIBARCHIVE_H
#define INPUT_LIBARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#define LIBARCHIVE(X)                                                                    \
	X(archive_read_new)                                                              \
	X(archive_read_open1)                                                            \
	X(archive_read_set_read_callback)                                                \
	X(archive_read_set_seek_callback)                                                \
	X(archive_read_set_callback_data)                                                \
	X(archive_read_next_header)                                                      \
	X(archive_read_data_block)                                                       \
	X(archive_read_free)                                                             \
	X(archive_entry_filetype)                                                        \
	X(archive_entry_pathname)                                                        \
	X(archive_entry_size)                                                            \
	X(archive_entry_size_is_set)                                                     \
	X(archive_entry_symlink)                                                         \
	X(archive_format)                                                                \
	X(archive_errno)                                                                 \
	X(archive_filter_bytes)                                                          \
	X(archive_error_string)                                                          \
	X(archive_set_error)                                                             \
	LIBARCHIVE_RAW(X)                                                                \
	LIBARCHIVE_FILTERS(X)                                                            \
	LIBARCHIVE_TAR(X)                                                                \
	LIBARCHIVE_FORMATS(X)

#define LIBARCHIVE_RAW(X)                                                                \
	X(archive_read_support_format_raw)                                               \
	X(archive_read_support_format_empty)

/* Those that decode.c does not read. */
#define LIBARCHIVE_FILTERS(X)                                                            \
	X(archive_read_support_filter_compress)                                          \
	X(archive_read_support_filter_lzip)

#define LIBARCHIVE_TAR(X) X(archive_read_support_format_tar)

/* Those that people put logs into, and whose end can be told. */
#define LIBARCHIVE_FORMATS(X)                                                            \
	X(archive_read_support_format_7zip)                                              \
	X(archive_read_support_format_zip)

struct libarchive {
#define X(name) __typeof__(name) *name;
	LIBARCHIVE(X)
#undef X
};

/* NULL: it cannot be loaded. */
const struct libarchive *libarchive(void);

#endif
