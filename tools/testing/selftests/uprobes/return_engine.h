/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs with a return probe on every function they have. What such a program
 * prints and how it ends is the same as without probes, and each return it has
 * counted has been reported once; see return_tally.h.
 *
 * The programs of a test are in the test itself: it runs a copy, which is
 * another file and is probed alone, with the arguments "run NAME".
 */
#ifndef UPROBES_SELFTEST_RETURN_ENGINE_H
#define UPROBES_SELFTEST_RETURN_ENGINE_H

#include "programs.h"
#include "return_tally.h"

#include <elf.h>
#include <link.h>

#define RUN_SECONDS	200

/* ---- the functions of a file ---- */

struct function {
	char name[64];
	uint64_t offset;
};

struct functions {
	char path[1100];
	int fd;
	struct function *all;		/* one offset may have several names */
	uint32_t nr_all;
	uint64_t *offsets;		/* each once, ascending */
	uint32_t n;
	struct bulk returns, entries;
	uint64_t *before, sum_before;	/* returns that earlier runs have had */
};

/*
 * Named as functions, but nobody calls them: where the return address of a
 * function is they find something else. A test of its own has these.
 */
static const char * const never_called[] = {
	"_start", "__restore", "__restore_rt", "__start_context",
};

static inline bool never_is_called(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(never_called); i++)
		if (!strcmp(name, never_called[i]))
			return true;
	return false;
}

static inline bool is_called(const char *name)
{
	return !never_is_called(name);
}

#define elf_header	ElfW(Ehdr)
#define elf_segment	ElfW(Phdr)
#define elf_section	ElfW(Shdr)
#define elf_symbol	ElfW(Sym)

static inline int by_offset(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Where the code at address @at is in the file; 0 if it is no code */
static inline uint64_t code_offset(const uint8_t *image, uint64_t at)
{
	const elf_header *eh = (const void *)image;
	const elf_segment *ph = (const void *)(image + eh->e_phoff);

	for (int i = 0; i < eh->e_phnum; i++, ph++)
		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) && at >= ph->p_vaddr &&
		    at < ph->p_vaddr + ph->p_filesz)
			return at - ph->p_vaddr + ph->p_offset;
	return 0;
}

static inline void functions_from(struct functions *f, const uint8_t *image,
				  const elf_section *table, const char *names,
				  bool (*want)(const char *name))
{
	const elf_symbol *sym = (const void *)(image + table->sh_offset);
	uint32_t n = table->sh_size / sizeof(*sym);
	uint64_t offset;

	f->all = calloc(n, sizeof(*f->all));
	f->offsets = calloc(n, sizeof(*f->offsets));
	for (uint32_t i = 0; f->all && f->offsets && i < n; i++, sym++) {
		int type = ELF64_ST_TYPE(sym->st_info);

		if ((type != STT_FUNC && type != STT_GNU_IFUNC) || sym->st_shndx == SHN_UNDEF)
			continue;
		offset = code_offset(image, sym->st_value);
		if (!offset || !want(names + sym->st_name))
			continue;
		snprintf(f->all[f->nr_all].name, sizeof(f->all[0].name), "%s",
			 names + sym->st_name);
		f->all[f->nr_all].offset = offset;
		f->offsets[f->nr_all++] = offset;
	}
	qsort(f->offsets, f->nr_all, sizeof(*f->offsets), by_offset);
	for (uint32_t i = 0; i < f->nr_all; i++)
		if (!i || f->offsets[i] != f->offsets[f->n - 1])
			f->offsets[f->n++] = f->offsets[i];
}

/* Those that the file names, by its own symbols, or else by those it exports */
static inline int functions_read(struct functions *f, const char *path,
				 bool (*want)(const char *name))
{
	const elf_section *sh, *table = NULL;
	const elf_header *eh;
	const uint8_t *image;
	struct stat st;

	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st))
		return -errno;
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, f->fd, 0);
	if (image == MAP_FAILED)
		return -errno;
	eh = (const void *)image;
	sh = (const void *)(image + eh->e_shoff);
	for (int i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_type == SHT_SYMTAB || (sh[i].sh_type == SHT_DYNSYM && !table))
			table = &sh[i];
	if (table)
		functions_from(f, image, table,
			       (const char *)image + sh[table->sh_link].sh_offset, want);
	munmap((void *)image, st.st_size);
	return f->n ? 0 : -ENOENT;
}

static inline void functions_drop(struct functions *f)
{
	close(f->fd);
	free(f->all);
	free(f->offsets);
}

/* The number of the probe on @name; -1 if the file has no such function */
static inline int function_index(const struct functions *f, const char *name)
{
	uint64_t *at;

	for (uint32_t i = 0; i < f->nr_all; i++) {
		if (strcmp(f->all[i].name, name))
			continue;
		at = bsearch(&f->all[i].offset, f->offsets, f->n, sizeof(*at), by_offset);
		return at ? at - f->offsets : -1;
	}
	return -1;
}

/* ---- probed ---- */

#define PROBE_RETURNS	1
#define PROBE_ENTRIES	2
#define UNTALLIED	4		/* the tallies are of other functions */

static inline int plant(struct functions *f, struct bulk *b, bool returns)
{
	uint32_t refused = 0;
	int err = bulk_open(b);

	err = err ?: bulk_add_kind(b, f->fd, f->offsets, f->n, returns);
	if (err) {
		printf("# %s: %s\n", f->path, strerror(-err));
		return err;
	}
	for (uint32_t i = 0; i < f->n; i++)
		refused += !!b->errors[i];
	/* A compiler's functions begin with what can be probed. */
	if (refused)
		printf("# %s: %u of %u functions refused\n", f->path, refused, f->n);
	return refused ? -EINVAL : 0;
}

static inline int functions_probe(struct functions *f, unsigned int kinds)
{
	int err = 0;

	f->returns.fd = -1;
	f->entries.fd = -1;
	f->before = calloc(f->n, sizeof(*f->before));
	f->sum_before = 0;
	if (!f->before)
		return -ENOMEM;
	if (kinds & PROBE_RETURNS)
		err = plant(f, &f->returns, true);
	if (!err && (kinds & PROBE_ENTRIES))
		err = plant(f, &f->entries, false);
	return err;
}

static inline void functions_unprobe(struct functions *f, unsigned int kinds)
{
	if (kinds & PROBE_RETURNS) {
		bulk_close(&f->returns);
		bulk_free(&f->returns);
	}
	if (kinds & PROBE_ENTRIES) {
		bulk_close(&f->entries);
		bulk_free(&f->entries);
	}
	free(f->before);
	f->before = NULL;
}

/* ---- compared ---- */

#define MAX_TALLIES	128

struct tallies {
	unsigned int n;
	struct tallied {
		char name[64];
		long returns, maybe;
	} of[MAX_TALLIES];
};

static inline void tallies_add(struct tallies *t, const struct tallied *one)
{
	unsigned int i;

	for (i = 0; i < t->n && strcmp(t->of[i].name, one->name); i++)
		;
	if (i == MAX_TALLIES)
		return;
	if (i == t->n) {
		t->of[t->n++] = *one;
		return;
	}
	t->of[i].returns += one->returns;
	t->of[i].maybe += one->maybe;
}

/* Takes what the program, and those that it has become, have counted out of the output. */
static inline void take_tallies(struct result *r, struct tallies *t)
{
	char *begin, *end, *at = r->output;
	struct tallied one;

	memset(t, 0, sizeof(*t));
	r->output[MAX_OUTPUT - 1] = 0;
	while ((begin = strstr(at, TALLY_BEGIN)) && (end = strstr(begin, TALLY_END))) {
		for (at = strchr(begin, '\n') + 1; at < end; at = strchr(at, '\n') + 1)
			if (sscanf(at, "%63s %ld %ld", one.name, &one.returns, &one.maybe) == 3)
				tallies_add(t, &one);
		at = begin;
		memmove(begin, end + strlen(TALLY_END), strlen(end + strlen(TALLY_END)) + 1);
	}
	r->size = strlen(r->output);
}

static inline bool same_result(const struct result *a, const struct result *b)
{
	return a->status == b->status && !strcmp(a->output, b->output);
}

static inline void print_result(const char *what, const struct result *r)
{
	printf("# %s: status %d\n", what, r->status);
	for (const char *at = r->output; *at; ) {
		int n = strcspn(at, "\n");

		printf("# | %.*s\n", n, at);
		at += n + (at[n] == '\n');
	}
}

/* How many functions have another number of returns than the program says? */
static inline int check_tallies(struct functions *f, const struct tallies *t, bool loud)
{
	int wrong = 0, i;
	long hits, sum = 0;

	if (bulk_hits(&f->returns))
		return 1;
	for (unsigned int k = 0; k < t->n; k++) {
		const struct tallied *of = &t->of[k];

		sum += of->returns;
		i = function_index(f, of->name);
		hits = i < 0 ? -1 : (long)(f->returns.counts[i] - f->before[i]);
		if (hits >= of->returns && hits <= of->returns + of->maybe)
			continue;
		wrong++;
		if (loud)
			printf("# %s: %ld returns reported; counted %ld, and perhaps %ld\n",
			       of->name, hits, of->returns, of->maybe);
	}
	if (loud)
		printf("# %ld returns counted by the program, %llu reported\n", sum,
		       (unsigned long long)(f->returns.sum - f->sum_before));
	memcpy(f->before, f->returns.counts, f->n * sizeof(*f->before));
	f->sum_before = f->returns.sum;
	/* A program that says nothing has not come to its end. */
	return t->n ? wrong : 1;
}

struct program {
	const char *name, *path;	/* what is executed */
	const char *argv[8];
	struct functions files[4];	/* what is probed; the tallies are of the first */
	unsigned int nr;
};

/* In which a mistake is made on purpose */
struct mistake {
	const char *function;
	struct bulk_spoil spoil;
};

static inline void run_program(const struct program *p, struct result *r)
{
	struct job job = { };

	memcpy(job.argv, p->argv, sizeof(job.argv));
	snprintf(work_dir, sizeof(work_dir), "/tmp");
	run_job(p->path, &job, RUN_SECONDS, r);
}

/* Without probes; not 0 if it fails. */
static inline int run_plain(const struct program *p, struct result *plain)
{
	struct tallies t;

	run_program(p, plain);
	take_tallies(plain, &t);
	if (!t.n)
		print_result("without a probe it fails", plain);
	return !t.n;
}

static inline int program_probe(struct program *p, unsigned int kinds, const struct mistake *m)
{
	double begin = seconds_now();
	int wrong = 0;

	for (unsigned int i = 0; i < p->nr; i++)
		wrong += !!functions_probe(&p->files[i], kinds);
	if (m) {
		struct bulk_spoil spoil = m->spoil;

		spoil.index = function_index(&p->files[0], m->function);
		wrong += !!ioctl(p->files[0].returns.fd, BULK_SPOIL, &spoil) * 1000;
	}
	printf("# planted in %.1f s\n", seconds_now() - begin);
	return wrong;
}

/* Under probes: what is different from @plain. */
static inline int run_compared(struct program *p, unsigned int kinds, const struct mistake *m,
			       const struct result *plain)
{
	struct result *probed = calloc(1, sizeof(*probed));
	double begin = seconds_now();
	struct tallies t;
	int wrong = 0;

	if (!probed)
		return 1;
	run_program(p, probed);
	printf("# %s: ran %.1f s\n", p->name, seconds_now() - begin);
	take_tallies(probed, &t);
	if (!same_result(plain, probed)) {
		wrong++;
		if (!m) {
			print_result("plain", plain);
			print_result("probed", probed);
		}
	}
	if ((kinds & (PROBE_RETURNS | UNTALLIED)) == PROBE_RETURNS)
		wrong += check_tallies(&p->files[0], &t, !m);
	fflush(stdout);
	free(probed);
	return wrong;
}

static inline void program_unprobe(struct program *p, unsigned int kinds)
{
	for (unsigned int i = 0; i < p->nr; i++)
		functions_unprobe(&p->files[i], kinds);
}

/* What is different under probes; 0 is what is wanted. */
static inline int differences(struct program *p, unsigned int kinds, const struct mistake *m)
{
	struct result *plain = calloc(1, sizeof(*plain));
	int wrong;

	if (!plain)
		return 1;
	wrong = run_plain(p, plain);
	wrong += program_probe(p, kinds, m);
	wrong += run_compared(p, kinds, m, plain);
	program_unprobe(p, kinds);
	free(plain);
	return wrong;
}

/* ---- the programs of a test ---- */

static inline int copy_self(char *path, size_t size)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
	char buf[16384];
	ssize_t n;

	snprintf(path, size, "/tmp/returns-XXXXXX");
	to = mkostemp(path, O_CLOEXEC);
	if (from < 0 || to < 0)
		return -errno;
	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, n) != n)
			n = -1;
	n = n ?: fchmod(to, 0755);
	close(from);
	close(to);
	return n ? -EIO : 0;
}

/* Program "run @name" of this test, and its functions */
static inline int scenario_program(struct program *p, char *path, size_t size, const char *name)
{
	int err = copy_self(path, size);

	memset(p, 0, sizeof(*p));
	p->name = name;
	p->path = path;
	p->argv[0] = "program";
	p->argv[1] = "run";
	p->argv[2] = name;
	p->nr = 1;
	return err ?: functions_read(&p->files[0], path, is_called);
}

static inline void scenario_drop(struct program *p)
{
	functions_drop(&p->files[0]);
	unlink(p->path);
}

static inline void scenario_test(struct __test_metadata *_metadata, const char *name)
{
	struct program p;
	char path[64];

	ASSERT_EQ(0, scenario_program(&p, path, sizeof(path), name));
	EXPECT_EQ(0, differences(&p, PROBE_RETURNS, NULL));
	EXPECT_EQ(0, differences(&p, PROBE_RETURNS | PROBE_ENTRIES, NULL));
	scenario_drop(&p);
}

/* As the program has found it */
static int program_argc;

/* A test and the program it runs; the body that follows is the program's. */
#define SCENARIO(name)								\
	static int name ## _program(void);					\
	static const struct scenario name ## _scenario				\
		__attribute__((used, section("scenarios"))) =			\
			{ #name, name ## _program };				\
	TEST(name)								\
	{									\
		scenario_test(_metadata, #name);				\
	}									\
	static int name ## _program(void)

static inline int return_test_main(int argc, char **argv)
{
	program_argc = argc;
	if (argc > 2 && !strcmp(argv[1], "run"))
		return scenario_main(argv[2]);
	return uprobes_test_main(argc, argv);
}

#endif /* UPROBES_SELFTEST_RETURN_ENGINE_H */
