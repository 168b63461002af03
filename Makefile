# evlog - an event store for the shell.
#
#   make quickstart   install what is missing, build, show the main job
#   make              build all into build/
#   make check        install what is missing, build, test (SAN=1: with sanitizers,
#                     SLOW=1: the slow tests too)
#   make lint         looks, layers, static analysis, manuals, scripts
#   make install      into $(DESTDIR)$(PREFIX)

VERSION = 0.1.0
PREFIX  = /usr/local
BUILD   = build$(if $(SAN),/san)

TOOLS   = evappend evcat evreplay evfold evdiff
LAYERS  = base json event store fold replay diff
SOURCES = $(wildcard $(LAYERS:%=lib/%/*.c))
OBJECTS = $(SOURCES:%.c=$(BUILD)/%.o)
HEADERS = $(wildcard lib/*.h $(LAYERS:%=lib/%/*.h) bin/*.h)
PACKAGES = libzstd libarchive libcrypto libxxhash

CFLAGS   ?= -O2 -g
WARNINGS  = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wpointer-arith -Wwrite-strings
HARDENED  = -fstack-protector-strong -fPIE -fno-common $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
ifdef SAN
SANITIZE  = -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
COMPILE   = $(CC) -std=c11 -D_GNU_SOURCE -Ilib $(WARNINGS) $(HARDENED) $(SANITIZE) \
            $(PACKAGE_CFLAGS) $(CPPFLAGS) $(CFLAGS)
LINK      = $(CC) $(SANITIZE) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

PACKAGE_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
PACKAGE_LIBS   = $(shell pkg-config --libs $(PACKAGES))

all: tools library completions

tools: $(TOOLS:%=$(BUILD)/%)
library: $(BUILD)/libevlog.a $(BUILD)/libevlog.so.0 $(BUILD)/evlog.pc

$(BUILD)/%: $(BUILD)/bin/%.o $(BUILD)/bin/cli.o $(BUILD)/libevlog.a
	$(LINK) -o $@ $^ $(PACKAGE_LIBS)

$(BUILD)/libevlog.a: $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libevlog.so.0: $(SOURCES:%.c=$(BUILD)/pic/%.o)
	$(CC) $(SANITIZE) -shared -Wl,-soname,libevlog.so.0 -Wl,-z,relro,-z,now $(LDFLAGS) -o $@ $^ \
	    $(PACKAGE_LIBS)

$(BUILD)/pic/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all tools library
.SECONDARY:
