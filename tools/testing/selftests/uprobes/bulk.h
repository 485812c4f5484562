/* SPDX-License-Identifier: GPL-2.0-only */
/* Very many probes at once, by way of modules/uprobe_bulk.ko. */
#ifndef UPROBES_SELFTEST_BULK_TEST_H
#define UPROBES_SELFTEST_BULK_TEST_H

#include "common.h"

#include <libgen.h>
#include <sys/sysmacros.h>

#include "modules/uprobe_bulk.h"

static inline void beside_program(char *path, size_t size, const char *name)
{
	char self[512] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		self[0] = 0;
	snprintf(path, size, "%s/%s", dirname(self), name);
}

/* Beside the program, in modules/ there and in ../modules/, or UPROBE_MODULES */
static inline int find_module(const char *name)
{
	static const char * const places[] = { "", "modules/", "../modules/" };
	const char *dir = getenv("UPROBE_MODULES");
	char path[1024], relative[256];
	int fd = -1;

	if (dir) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	for (unsigned int i = 0; fd < 0 && i < ARRAY_SIZE(places); i++) {
		snprintf(relative, sizeof(relative), "%s%s", places[i], name);
		beside_program(path, sizeof(path), relative);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

struct bulk {
	int fd;
	uint32_t n;
	int32_t *errors;
	uint64_t *counts;
	uint64_t sum;
};

static inline int bulk_open(struct bulk *b)
{
	int fd;

	memset(b, 0, sizeof(*b));
	if (access(DEBUGFS "/" BULK_FILE, F_OK)) {
		fd = find_module("uprobe_bulk.ko");
		if (fd < 0)
			return -ENOENT;
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			return -errno;
		close(fd);
	}
	b->fd = open(DEBUGFS "/" BULK_FILE, O_RDWR | O_CLOEXEC);
	return b->fd < 0 ? -errno : 0;
}

/* One errno for each is in b->errors afterwards. */
static inline int bulk_add_kind(struct bulk *b, int file, const uint64_t *offsets, uint32_t n,
				bool returns)
{
	struct bulk_add req = {
		.fd = file,
		.n = n,
		.offsets = (unsigned long)offsets,
		.returns = returns,
	};

	b->n = n;
	b->errors = calloc(n, sizeof(*b->errors));
	b->counts = calloc(n, sizeof(*b->counts));
	if (!b->errors || !b->counts)
		return -ENOMEM;
	req.errors = (unsigned long)b->errors;
	return ioctl(b->fd, BULK_ADD, &req) ? -errno : 0;
}

static inline int bulk_add(struct bulk *b, int file, const uint64_t *offsets, uint32_t n)
{
	return bulk_add_kind(b, file, offsets, n, false);
}

static inline int bulk_hits(struct bulk *b)
{
	struct bulk_hits req = {
		.counts = (unsigned long)b->counts,
	};

	if (ioctl(b->fd, BULK_HITS, &req))
		return -errno;
	b->sum = req.sum;
	return 0;
}

/* The probes go; what is known of them stays. */
static inline void bulk_close(struct bulk *b)
{
	close(b->fd);
	b->fd = -1;
}

static inline void bulk_free(struct bulk *b)
{
	free(b->errors);
	free(b->counts);
}

/* ---- ways past an instruction ---- */

#define AVOID	"/sys/module/uprobes/parameters/avoid"

static const struct {
	unsigned int avoid;
	const char *name;
} ways[] = {
	{ 0, "as chosen" },
	{ 1, "no emulation" },
	{ 2, "no boost" },
	{ 3, "neither" },
};

/* ---- what debugfs says ---- */

#define MAX_WORDS	32

struct words {
	char word[MAX_WORDS][24];
	unsigned int n[MAX_WORDS];
};

/* Which of them it is */
static inline int words_add(struct words *w, const char *word)
{
	for (int i = 0; i < MAX_WORDS; i++) {
		if (!w->n[i])
			snprintf(w->word[i], sizeof(w->word[i]), "%s", word);
		if (strcmp(w->word[i], word))
			continue;
		w->n[i]++;
		return i;
	}
	return -1;
}

static inline void words_print(const struct words *w, const char *what)
{
	printf("# %s:", what);
	for (int i = 0; i < MAX_WORDS && w->n[i]; i++)
		printf(" %s %u", w->word[i], w->n[i]);
	printf("\n");
}

/* How debugfs names the file */
static inline void file_id(int fd, char *id, size_t size)
{
	struct stat st;

	id[0] = 0;
	if (!fstat(fd, &st))
		snprintf(id, size, "%x:%02x:%lu", major(st.st_dev), minor(st.st_dev),
			 (unsigned long)st.st_ino);
}

struct listed_point {
	uint64_t offset;
	unsigned int bits;		/* of what code */
	char strategy[24];
};

/*
 * The next of a file's probepoints in the kernel's list, by ascending offset. Not sscanf():
 * there may be hundreds of thousands.
 */
static inline bool next_listed(FILE *f, const char *id, struct listed_point *p)
{
	char line[512], *of, *at, *bits, *word;

	while (f && fgets(line, sizeof(line), f)) {
		word = line;
		of = strsep(&word, " ");
		at = strsep(&word, " ");
		bits = strsep(&word, " ");
		if (strcmp(of, id) || !at || !bits || !word)
			continue;
		p->offset = strtoull(at, NULL, 0);
		p->bits = strtoul(bits, NULL, 10);
		snprintf(p->strategy, sizeof(p->strategy), "%s", strsep(&word, " "));
		return true;
	}
	return false;
}

/* How many probes of the file have which strategy */
static inline void print_strategies(int file)
{
	FILE *f = fopen(DEBUGFS "/uprobes/list", "re");
	struct listed_point p;
	struct words w = { };
	char id[64];

	file_id(file, id, sizeof(id));
	while (next_listed(f, id, &p))
		words_add(&w, p.strategy);
	if (f)
		fclose(f);
	words_print(&w, "strategies");
}

/*
 * Why were they refused? The kernel keeps the reasons of the last ones, so they
 * are tried again, some at a time.
 */
static inline void print_refusals(int file, const uint64_t *offsets, const int32_t *errors,
				  uint32_t n)
{
	uint64_t again[32];
	unsigned int count = 0;
	char id[64];
	struct words w = { };

	file_id(file, id, sizeof(id));
	for (uint32_t i = 0; i < n; i++) {
		char line[512], of[64], word[24];
		unsigned long long offset;
		struct bulk b;
		FILE *f;

		if (errors[i])
			again[count++] = offsets[i];
		if (!count || (count < ARRAY_SIZE(again) && i + 1 < n))
			continue;
		if (!bulk_open(&b) && !bulk_add(&b, file, again, count)) {
			bulk_close(&b);
			bulk_free(&b);
		}
		f = fopen(DEBUGFS "/uprobes/refused", "re");
		while (f && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%63s %llx %*s %23s", of, &offset, word) != 3 ||
			    strcmp(of, id))
				continue;
			for (unsigned int k = 0; k < count; k++) {
				if (again[k] != offset)
					continue;
				words_add(&w, word);
				again[k] = -1;
				break;
			}
		}
		if (f)
			fclose(f);
		count = 0;
	}
	words_print(&w, "refused");
}

#endif /* UPROBES_SELFTEST_BULK_TEST_H */
