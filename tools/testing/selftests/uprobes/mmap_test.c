// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings: the area that the kernel adds for displaced instructions, and the
 * text that it changes and gives back, with a program that does its worst.
 */
#include "common.h"

#include <setjmp.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

FIXTURE(text) {
	struct codefile file;
	uint8_t *text;
	uint8_t image[PAGE];
	struct probe slot;	/* needs a slot */
	struct probe nop;	/* does not */
};

FIXTURE_SETUP(text)
{
	gen_image(self->image, PAGE / GEN_SIZE);
	ASSERT_EQ(0, codefile_make(&self->file, self->image, PAGE));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
	self->slot = (struct probe){ };
	self->nop = (struct probe){ };
}

FIXTURE_TEARDOWN(text)
{
	probe_close(&self->slot);
	probe_close(&self->nop);
	codefile_drop(&self->file);
}

#define ATTACH(probe, at)	ASSERT_EQ(0, probe_all(probe, self->file.path, at, 0))

/* ---- the area ---- */

TEST_F(text, no_area_for_emulated)
{
	struct map m;

	ATTACH(&self->nop, GEN_NOP);
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(10, probe_hits(&self->nop));
	EXPECT_FALSE(xol_map(0, &m));
	if (have_debugfs()) {
		char pid[16];

		snprintf(pid, sizeof(pid), "%d ", getpid());
		EXPECT_FALSE(debugfs_line("areas", pid, "mmap", NULL, 0));
	}
}

static bool highest_below(const struct map *m, const void *arg)
{
	unsigned long *highest = (unsigned long *)arg;

	if (strcmp(m->name, "[uprobes]") && strcmp(m->name, "[vsyscall]"))
		*highest = m->end;
	return false;
}

static bool vm_flag(const void *addr, const char *flag)
{
	unsigned long start, end;
	bool inside = false, found = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)addr && (unsigned long)addr < end;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, flag);
	}
	if (f)
		fclose(f);
	return found;
}

TEST_F(text, area)
{
	unsigned long highest = 0;
	struct map m;

	EXPECT_FALSE(xol_map(0, &m));
	ATTACH(&self->slot, GEN_SLOT);
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(10, probe_hits(&self->slot));
	ASSERT_TRUE(xol_map(0, &m));

	EXPECT_STREQ("r-xp", m.perms);
	EXPECT_TRUE(vm_flag((void *)m.start, " rd"));
	EXPECT_TRUE(vm_flag((void *)m.start, " ex"));
	EXPECT_FALSE(vm_flag((void *)m.start, " wr"));
	EXPECT_FALSE(vm_flag((void *)m.start, " mw"));
	EXPECT_TRUE(vm_flag((void *)m.start, " dd"));	/* not dumped */
	EXPECT_TRUE(vm_flag((void *)m.start, " dc"));	/* not forked */
	EXPECT_TRUE(vm_flag((void *)m.start, " de"));	/* not expanded */

	map_find(0, &m, highest_below, &highest);
	ASSERT_TRUE(xol_map(0, &m));
#ifdef __x86_64__
	EXPECT_GE(1UL << 47, m.end);
	if (highest + PAGE + (m.end - m.start) < (1UL << 47) - PAGE)
		EXPECT_EQ(highest + PAGE, m.start);
#endif

	probe_close(&self->slot);
	EXPECT_TRUE(xol_gone(0, 5));
	EXPECT_EQ(1, gen_call(self->text, 0));

	/* and once more, now that there has been one */
	ATTACH(&self->slot, GEN_SLOT);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_TRUE(xol_map(0, &m));
}

FIXTURE(area) {
	struct codefile file;
	uint8_t *text;
	struct probe slot;
	struct map m;
	uint8_t before[PAGE];
};

FIXTURE_SETUP(area)
{
	ASSERT_EQ(0, gen_make(&self->file, PAGE / GEN_SIZE));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
	ASSERT_EQ(0, probe_all(&self->slot, self->file.path, GEN_SLOT, 0));
	ASSERT_EQ(1, gen_call(self->text, 0));
	ASSERT_TRUE(xol_map(0, &self->m));
	memcpy(self->before, (void *)self->m.start, PAGE);
}

/* Whatever was tried: the program runs, the probe counts. */
FIXTURE_TEARDOWN(area)
{
	uint64_t hits = probe_hits(&self->slot);

	EXPECT_EQ(0, memcmp(self->before, (void *)self->m.start, PAGE));
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(hits + 1, probe_hits(&self->slot));
	probe_close(&self->slot);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_TRUE(xol_gone(0, 5));
	codefile_drop(&self->file);
}

#ifdef __x86_64__
TEST_F(area, sealed)
{
	size_t size = self->m.end - self->m.start;
	void *at = (void *)self->m.start;
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE | PROT_EXEC,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(prots); i++)
		EXPECT_EQ(-1, mprotect(at, PAGE, prots[i]));
	EXPECT_EQ(-1, munmap(at, size));
	EXPECT_EQ(-1, munmap(at, PAGE));
	EXPECT_EQ(MAP_FAILED, mremap(at, size, size + PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
				     self->text + 64 * PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(at, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}
#endif

TEST_F(area, not_written_by_itself)
{
	struct iovec local, remote;
	uint8_t byte = 0xcc;
	int fd, pipefd[2];

	fd = open("/proc/self/mem", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pwrite(fd, &byte, 1, self->m.start));
	close(fd);

	local = (struct iovec){ &byte, 1 };
	remote = (struct iovec){ (void *)self->m.start, 1 };
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));

	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_EQ(1, write(pipefd[1], &byte, 1));
	EXPECT_EQ(-1, read(pipefd[0], (void *)self->m.start, 1));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(area, not_written_by_tracer)
{
	int status, ready[2];
	struct map m;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		byte = gen_call(self->text, 0);
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_TRUE(xol_map(pid, &m));
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, 0, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, pid, m.start, 0x90909090));
	EXPECT_EQ(-1, ptrace(PTRACE_POKETEXT, pid, m.start + 32, 0x90909090));
	errno = 0;
	ptrace(PTRACE_PEEKDATA, pid, m.start, 0);
	EXPECT_EQ(0, errno);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

TEST_F(area, advice)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT, MADV_FREE, MADV_NORMAL, MADV_WILLNEED,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_DOFORK, MADV_DODUMP,
		MADV_REMOVE, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	};
	size_t size = self->m.end - self->m.start;
	pid_t pid;

	/* Each may be refused or not; it may not make a difference. */
	for (unsigned int i = 0; i < ARRAY_SIZE(advices); i++) {
		madvise((void *)self->m.start, size, advices[i]);
		ASSERT_EQ(1, gen_call(self->text, 0))
			TH_LOG("advice %d", advices[i]);
	}
	EXPECT_EQ(1 + ARRAY_SIZE(advices), probe_hits(&self->slot));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct map m;

		_exit(xol_map(0, &m));
	}
	EXPECT_EQ(0, child_status(pid))
		TH_LOG("MADV_DOFORK made the area be inherited");
}

/* The mapping is split by that: no part of it may be inherited, or stay behind. */
TEST_F(area, advice_on_a_part)
{
	uint8_t *second = (uint8_t *)self->m.start + PAGE;
	struct map m;
	pid_t pid;

	madvise(second, PAGE, MADV_RANDOM);
	ASSERT_TRUE(map_at(second, &m));
	EXPECT_EQ((unsigned long)second, m.start)
		TH_LOG("it was not split: nothing is tested");
	madvise(second, PAGE, MADV_DOFORK);
	madvise(second + PAGE, self->m.end - (unsigned long)second - PAGE, MADV_DOFORK);
	EXPECT_EQ(1, gen_call(self->text, 0));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (xol_map(0, &m))
			_exit(1);
		_exit(gen_call(self->text, 0) == 1 ? 0 : 2);
	}
	EXPECT_EQ(0, child_status(pid))
		TH_LOG("a part of the area was inherited");
}

/*
 * The program jumps into the area, where it has no business. Not to the address at the
 * end of a slot, which is any instruction: QEMU does not survive each of them.
 */
TEST_F(area, jumped_into)
{
	int status;
	pid_t pid;

	for (unsigned int at = 0; at < 96; at += 3) {
		if (at % 32 >= 24)
			continue;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct map m;

			alarm(20);
			gen_call(self->text, 0);
			if (!xol_map(0, &m))
				_exit(50);
			((gen_fn)(m.start + at))();
			_exit(0);
		}
		status = child_status(pid);
		EXPECT_TRUE(status == 0 || status > 1000)
			TH_LOG("status %d", status);
	}
}

TEST_F(area, not_inherited)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct map m;

		if (xol_map(0, &m))
			_exit(1);
		if (gen_call(self->text, 0) != 1)
			_exit(2);
		if (!xol_map(0, &m))
			_exit(3);
		_exit(0);
	}
	EXPECT_EQ(0, child_status(pid));
}

/* What is mapped later is to be locked, and there is no room for so much. */
TEST_F(text, area_beside_locked_memory)
{
	struct rlimit limit = { 65536, 65536 };
	pid_t pid;

	ATTACH(&self->slot, GEN_SLOT);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct map m;

		if (setrlimit(RLIMIT_MEMLOCK, &limit) || setresuid(65534, 65534, 65534))
			_exit(1);
		if (mlockall(MCL_FUTURE))
			_exit(2);
		/* Does it matter? */
		if (mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		    MAP_FAILED)
			_exit(3);
		if (gen_call(self->text, 0) != 1)
			_exit(4);
		if (!xol_map(0, &m))
			_exit(5);
		_exit(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		      MAP_FAILED ? 0 : 6);
	}
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(1, probe_hits(&self->slot));
}

/* ---- the text ---- */

TEST_F(text, given_back)
{
	long dirty;

	EXPECT_EQ(1, gen_call(self->text, 0));	/* it is there */
	dirty = smaps_kb(self->text, "Private_Dirty");

	for (int round = 0; round < 3; round++) {
		ATTACH(&self->slot, GEN_SLOT);
		ATTACH(&self->nop, GEN_SIZE * 3 + GEN_NOP);
		EXPECT_EQ(0xcc, self->text[GEN_SLOT]);
		EXPECT_EQ(0xcc, self->text[GEN_SIZE * 3]);
		EXPECT_EQ(4, smaps_kb(self->text, "Anonymous"));
		EXPECT_EQ(1, gen_call(self->text, 0));
		EXPECT_EQ(4, gen_call(self->text, 3));

		probe_close(&self->nop);
		EXPECT_EQ(self->image[GEN_SIZE * 3], self->text[GEN_SIZE * 3]);
		EXPECT_EQ(0xcc, self->text[GEN_SLOT]);
		probe_close(&self->slot);
		EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));
		EXPECT_EQ(0, smaps_kb(self->text, "Anonymous"));
		/* The file's own page may have been written back meanwhile. */
		EXPECT_GE(dirty, smaps_kb(self->text, "Private_Dirty"));
		EXPECT_EQ(1, gen_call(self->text, 0));
	}
}

TEST_F(text, mapped_later)
{
	uint8_t *second;

	munmap(self->text, PAGE);
	ATTACH(&self->slot, GEN_SLOT);
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	second = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, gen_call(second, 0));
	EXPECT_EQ(2, probe_hits(&self->slot));
	munmap(second, PAGE);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(3, probe_hits(&self->slot));
}

TEST_F(text, made_executable_later)
{
	uint8_t *second = codefile_map(&self->file, PROT_READ, MAP_PRIVATE);

	ATTACH(&self->slot, GEN_SLOT);
	EXPECT_EQ(self->image[GEN_SLOT], second[GEN_SLOT]);
	ASSERT_EQ(0, mprotect(second, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(0xcc, second[GEN_SLOT]);
	EXPECT_EQ(1, gen_call(second, 0));
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(2, probe_hits(&self->slot));
	probe_close(&self->slot);
	EXPECT_EQ(0, memcmp(second, self->image, PAGE));
}

TEST_F(text, unmapped)
{
	ATTACH(&self->slot, GEN_SLOT);
	EXPECT_EQ(1, gen_call(self->text, 0));
	ASSERT_EQ(0, munmap(self->text, PAGE));
	probe_close(&self->slot);
	EXPECT_TRUE(xol_gone(0, 5));

	/* Other code at the same address is not taken for the probed one. */
	ATTACH(&self->slot, GEN_SLOT);
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	EXPECT_EQ(1, gen_call(self->text, 0));
	ASSERT_EQ(self->text, mmap(self->text, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memcpy(self->text, self->image, PAGE);
	self->text[GEN_SLOT + 2] = 9;
	ASSERT_EQ(0, mprotect(self->text, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(9, gen_call(self->text, 0));
	EXPECT_EQ(1, probe_hits(&self->slot));
	probe_close(&self->slot);
	EXPECT_EQ(9, gen_call(self->text, 0));
}

TEST_F(text, moved)
{
	uint8_t *room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *moved;

	ASSERT_NE(MAP_FAILED, room);
	ATTACH(&self->slot, GEN_SLOT);
	ATTACH(&self->nop, GEN_NOP);
	EXPECT_EQ(1, gen_call(self->text, 0));
	moved = mremap(self->text, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 8 * PAGE);
	ASSERT_NE(MAP_FAILED, moved);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(1, gen_call(moved, 0));
	EXPECT_EQ(6, probe_hits(&self->slot));
	EXPECT_EQ(6, probe_hits(&self->nop));
	probe_close(&self->slot);
	probe_close(&self->nop);
	EXPECT_EQ(0, memcmp(moved, self->image, PAGE));
	EXPECT_EQ(1, gen_call(moved, 0));
}

/* The page with the breakpoint is thrown away: the file's own comes instead. */
TEST_F(text, thrown_away)
{
	ATTACH(&self->slot, GEN_SLOT);
	EXPECT_EQ(1, gen_call(self->text, 0));
	ASSERT_EQ(0, madvise(self->text, PAGE, MADV_DONTNEED));
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_LE(1, probe_hits(&self->slot));
	probe_close(&self->slot);
	EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));

	/* The next probe there is planted as if nothing had been. */
	ATTACH(&self->slot, GEN_SLOT);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, probe_hits(&self->slot));
}

FIXTURE(kind) {
	struct codefile file;
	uint8_t *text;
};

FIXTURE_VARIANT(kind) {
	int prot, flags;
};

FIXTURE_VARIANT_ADD(kind, private_writable) {
	.prot = PROT_READ | PROT_WRITE | PROT_EXEC,
	.flags = MAP_PRIVATE,
};

FIXTURE_VARIANT_ADD(kind, shared) {
	.prot = PROT_READ | PROT_EXEC,
	.flags = MAP_SHARED,
};

FIXTURE_VARIANT_ADD(kind, shared_writable) {
	.prot = PROT_READ | PROT_WRITE | PROT_EXEC,
	.flags = MAP_SHARED,
};

FIXTURE_SETUP(kind)
{
	ASSERT_EQ(0, gen_make(&self->file, PAGE / GEN_SIZE));
	self->text = codefile_map(&self->file, variant->prot, variant->flags);
	ASSERT_NE(MAP_FAILED, self->text);
}

FIXTURE_TEARDOWN(kind)
{
	codefile_drop(&self->file);
}

/* Not planted there, and no harm done. */
TEST_F(kind, left_alone)
{
	struct probe slot;

	ASSERT_EQ(0, probe_all(&slot, self->file.path, GEN_SLOT, 0));
	EXPECT_EQ(0x6b, self->text[GEN_SLOT]);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(0, probe_hits(&slot));
	probe_close(&slot);
	EXPECT_EQ(0x6b, self->text[GEN_SLOT]);
}

/* Execution from a file that has been cut off ends with SIGBUS, probed or not. */
TEST_F(text, truncated)
{
	pid_t pid;
	char byte;
	int go[2], back[2];

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(back));
	ATTACH(&self->slot, GEN_SLOT);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		byte = gen_call(self->text, 0);
		if (write(back[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(gen_call(self->text, 0));
	}
	ASSERT_EQ(1, read(back[0], &byte, 1));
	EXPECT_EQ(1, byte);
	ASSERT_EQ(0, ftruncate(self->file.fd, 0));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(1000 + SIGBUS, child_status(pid));
	probe_close(&self->slot);
	ASSERT_EQ(PAGE, pwrite(self->file.fd, self->image, PAGE, 0));
	EXPECT_EQ(1, gen_call(self->text, 0));
}

/* ---- text that the program changed ---- */

static volatile int traps;

static void on_trap(int sig)
{
	traps++;
}

static void patch(struct __test_metadata *_metadata, uint8_t *at, const void *bytes, size_t n)
{
	void *page = (void *)((unsigned long)at & -PAGE);

	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	memcpy(at, bytes, n);
	ASSERT_EQ(0, mprotect(page, PAGE, PROT_READ | PROT_EXEC));
}

/* Somebody else's breakpoint was there first: it is his trap, now and later. */
TEST_F(text, foreign_int3)
{
	uint8_t *at = self->text + GEN_NOP;

	signal(SIGTRAP, on_trap);
	patch(_metadata, at, "\xcc", 1);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, traps);

	/* There is one for other processes. */
	ATTACH(&self->nop, GEN_NOP);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(2, traps);
	EXPECT_EQ(0, probe_hits(&self->nop));
	probe_close(&self->nop);
	EXPECT_EQ(0xcc, *at);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(3, traps);
}

/* The program's own int3 right behind ours: it is delivered, and each hit counts. */
TEST_F(text, int3_behind_ours)
{
	signal(SIGTRAP, on_trap);
	ATTACH(&self->nop, GEN_NOP);
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(0, traps);
	patch(_metadata, self->text + GEN_NOP + 1, "\xcc\x90\x90\x90\x90", 5);
	gen_call(self->text, 0);
	EXPECT_EQ(1, traps);
	EXPECT_EQ(2, probe_hits(&self->nop));
}

TEST_F(text, changed_before)
{
	patch(_metadata, self->text + GEN_SLOT + 2, "\x05", 1);
	EXPECT_EQ(5, gen_call(self->text, 0));

	ATTACH(&self->slot, GEN_SLOT);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(5, gen_call(self->text, 0));
	EXPECT_EQ(0, probe_hits(&self->slot));
	probe_close(&self->slot);
	EXPECT_EQ(5, gen_call(self->text, 0));
	EXPECT_EQ(0x6b, self->text[GEN_SLOT]);
	EXPECT_EQ(5, self->text[GEN_SLOT + 2]);
}

/* Behind the breakpoint. */
TEST_F(text, changed_after)
{
	ATTACH(&self->slot, GEN_SLOT);
	EXPECT_EQ(1, gen_call(self->text, 0));
	patch(_metadata, self->text + GEN_SLOT + 2, "\x05", 1);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(5, gen_call(self->text, 0));
	probe_close(&self->slot);
	EXPECT_EQ(5, gen_call(self->text, 0));
	EXPECT_EQ(0x6b, self->text[GEN_SLOT]);
	EXPECT_EQ(5, self->text[GEN_SLOT + 2]);
}

/* The breakpoint itself, by another instruction. */
TEST_F(text, overwritten)
{
	ATTACH(&self->slot, GEN_SLOT);
	EXPECT_EQ(1, gen_call(self->text, 0));
	patch(_metadata, self->text + GEN_SLOT, "\x83\xe8\x07", 3);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(-6, gen_call(self->text, 0));
	EXPECT_EQ(1, probe_hits(&self->slot));
	probe_close(&self->slot);
	EXPECT_EQ(-6, gen_call(self->text, 0));
	EXPECT_EQ(0, memcmp(self->text + GEN_SLOT, "\x83\xe8\x07", 3));
}

/* ---- text that was moved away, and is there again ---- */

#define CALLS	5

/* To the middle of a place of its own */
static uint8_t *move_away(uint8_t *text, int flags)
{
	uint8_t *room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return room == MAP_FAILED ? MAP_FAILED :
	       mremap(text, PAGE, PAGE, flags | MREMAP_MAYMOVE | MREMAP_FIXED, room + 8 * PAGE);
}

static void check_calls(struct __test_metadata *_metadata, const uint8_t *text)
{
	for (int i = 0; i < CALLS; i++)
		EXPECT_EQ(1, gen_call(text, 0));
}

static void check_given_back(struct __test_metadata *_metadata, struct _test_data_text *self,
			     const uint8_t *text)
{
	EXPECT_EQ(0, memcmp(text, self->image, PAGE));
	EXPECT_EQ(1, gen_call(text, 0));
}

/* Which of two places is called first, if any of them is? */
enum called_first { MOVED_FIRST, AGAIN_FIRST, NONE_CALLED, FIRSTS };

static void call_both(struct __test_metadata *_metadata, enum called_first first,
		      const uint8_t *moved, const uint8_t *again)
{
	if (first == NONE_CALLED)
		return;
	check_calls(_metadata, first == MOVED_FIRST ? moved : again);
	check_calls(_metadata, first == MOVED_FIRST ? again : moved);
}

TEST_F(text, moved_and_mapped_again)
{
	uint8_t *moved;
	uint64_t hits;

	signal(SIGTRAP, on_trap);
	for (int i = 0; i < 2 * FIRSTS; i++) {
		enum called_first first = i / 2;
		bool called = i % 2;

		ATTACH(&self->slot, GEN_SLOT);
		ATTACH(&self->nop, GEN_NOP);
		if (called)
			EXPECT_EQ(1, gen_call(self->text, 0));
		moved = move_away(self->text, 0);
		ASSERT_NE(MAP_FAILED, moved);
		ASSERT_EQ(self->text, mmap(self->text, PAGE, PROT_READ | PROT_EXEC,
					   MAP_PRIVATE | MAP_FIXED, self->file.fd, 0));
		call_both(_metadata, first, moved, self->text);
		hits = called + (first == NONE_CALLED ? 0 : 2 * CALLS);
		EXPECT_EQ(hits, probe_hits(&self->slot))
			TH_LOG("round %d", i);
		EXPECT_EQ(hits, probe_hits(&self->nop))
			TH_LOG("round %d", i);
		probe_close(&self->slot);
		probe_close(&self->nop);
		check_given_back(_metadata, self, moved);
		check_given_back(_metadata, self, self->text);
		munmap(moved, PAGE);
	}
	EXPECT_EQ(0, traps);
}

/* The mapping stays, without its pages: what comes there are the file's. */
TEST_F(text, moved_and_left_mapped)
{
	uint8_t *moved;

	signal(SIGTRAP, on_trap);
	for (int i = 0; i < 4 * FIRSTS; i++) {
		enum called_first first = i / 4;
		bool called = i % 2, dropped = i / 2 % 2;
		uint64_t least = called + (first == NONE_CALLED ? 0 : CALLS);

		ATTACH(&self->slot, GEN_SLOT);
		ATTACH(&self->nop, GEN_NOP);
		if (called)
			EXPECT_EQ(1, gen_call(self->text, 0));
		moved = move_away(self->text, MREMAP_DONTUNMAP);
		ASSERT_NE(MAP_FAILED, moved)
			TH_LOG("%s", strerror(errno));
		if (dropped)
			ASSERT_EQ(0, madvise(self->text, PAGE, MADV_DONTNEED));
		call_both(_metadata, first, moved, self->text);
		/* In the old place the breakpoint comes again when somebody looks. */
		EXPECT_LE(least, probe_hits(&self->slot))
			TH_LOG("round %d", i);
		EXPECT_GE(least + CALLS, probe_hits(&self->slot))
			TH_LOG("round %d", i);
		EXPECT_LE(least, probe_hits(&self->nop))
			TH_LOG("round %d", i);
		EXPECT_GE(least + CALLS, probe_hits(&self->nop))
			TH_LOG("round %d", i);
		probe_close(&self->slot);
		probe_close(&self->nop);
		check_given_back(_metadata, self, moved);
		check_given_back(_metadata, self, self->text);
		munmap(moved, PAGE);
	}
	EXPECT_EQ(0, traps);
}

/* ---- an instruction on two pages, of which the second goes and comes ---- */

FIXTURE(across) {
	struct codefile file;
	uint8_t *text, *function;
	uint8_t image[2 * PAGE];
	struct probe slot, nop;
};

FIXTURE_VARIANT(across) {
	unsigned int before;	/* bytes of it on the first page */
};

FIXTURE_VARIANT_ADD(across, one_byte_before) {
	.before = 1,
};

FIXTURE_VARIANT_ADD(across, one_byte_behind) {
	.before = 2,
};

FIXTURE_SETUP(across)
{
	unsigned long at = PAGE - GEN_SLOT - variant->before;

	gen_image(self->image, 2 * PAGE / GEN_SIZE);
	memmove(self->image + at, self->image, GEN_SIZE);
	ASSERT_EQ(0, codefile_make(&self->file, self->image, 2 * PAGE));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
	self->function = self->text + at;
	self->slot = (struct probe){ };
	self->nop = (struct probe){ };
}

FIXTURE_TEARDOWN(across)
{
	probe_close(&self->slot);
	probe_close(&self->nop);
	codefile_drop(&self->file);
}

static sigjmp_buf fault_left;
static void *volatile fault_at;

static void on_segv(int sig, siginfo_t *info, void *context)
{
	fault_at = info->si_addr;
	siglongjmp(fault_left, 1);
}

static void *faults_at(const uint8_t *function)
{
	fault_at = NULL;
	if (!sigsetjmp(fault_left, 1))
		gen_call(function, 0);
	return fault_at;
}

/* Who looks at the probe while the page is away? */
enum looks { WORKER_LOOKS, THREAD_HITS, PROBE_COMES, LOOKS };

static void second_page_goes(struct __test_metadata *_metadata, struct _test_data_across *self,
			     enum looks looks)
{
	ASSERT_EQ(0, munmap(self->text + PAGE, PAGE));
	switch (looks) {
	case WORKER_LOOKS:
		usleep(300000);
		break;
	case THREAD_HITS:
		EXPECT_EQ(self->text + PAGE, faults_at(self->function));
		break;
	default:
		ATTACH(&self->nop, GEN_NOP);
	}
}

static void second_page_comes(struct __test_metadata *_metadata, struct _test_data_across *self)
{
	ASSERT_EQ(self->text + PAGE,
		  mmap(self->text + PAGE, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
		       self->file.fd, PAGE));
	for (int i = 0; i < CALLS; i++)
		EXPECT_EQ(1, gen_call(self->function, 0));
}

TEST_F(across, second_page_goes_and_comes)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	uint64_t at = self->function - self->text + GEN_SLOT;

	sigaction(SIGSEGV, &sa, NULL);
	signal(SIGTRAP, on_trap);
	second_page_goes(_metadata, self, THREAD_HITS);
	second_page_comes(_metadata, self);

	for (int looks = 0; looks < LOOKS; looks++) {
		ATTACH(&self->slot, at);
		EXPECT_EQ(1, gen_call(self->function, 0));
		EXPECT_EQ(1, probe_hits(&self->slot));
		second_page_goes(_metadata, self, looks);
		second_page_comes(_metadata, self);
		EXPECT_GE(2 + CALLS, probe_hits(&self->slot));
		probe_close(&self->nop);
		probe_close(&self->slot);
		EXPECT_EQ(0, memcmp(self->text, self->image, 2 * PAGE))
			TH_LOG("looked at in way %d", looks);
		EXPECT_EQ(1, gen_call(self->function, 0));
		EXPECT_EQ(0, traps)
			TH_LOG("looked at in way %d", looks);
	}
}

/* ---- int3 that the program writes as a debugger does, and not a few ---- */

static int write_int3(const uint8_t *at, size_t n)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint8_t *int3 = malloc(n);
	int ret = -1;

	if (fd >= 0 && int3) {
		memset(int3, 0xcc, n);
		if (pwrite(fd, int3, n, (unsigned long)at) == (ssize_t)n &&
		    !memcmp(at, int3, n))
			ret = 0;
	}
	free(int3);
	close(fd);
	return ret;
}

/* What happens to the probed text meanwhile? */
enum int3_event { NOTHING, CHILD_CALLS, TEXT_MOVES };

static int fork_with_int3(const uint8_t *probed, void *other, size_t size, enum int3_event event)
{
	int status = 0;
	pid_t pid = fork();

	if (pid)
		return child_status(pid);
	if (event == CHILD_CALLS && gen_call(probed, 0) != 1)
		status = 4;
	munmap(other, size);
	if (event == CHILD_CALLS && gen_call(probed, 0) != 1)
		status = 5;
	_exit(status);
}

/* Another file's text is full of it. What has gone wrong, or 0 */
static int live_with_int3(uint8_t *probed, const struct codefile *other, size_t n,
			  enum int3_event event)
{
	uint8_t *text = codefile_map(other, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	int status;

	alarm(300);
	if (text == MAP_FAILED || gen_call(probed, 0) != 1)
		return 1;
	if (write_int3(text, n))
		return 2;
	if (gen_call(probed, 0) != 1)
		return 3;
	status = fork_with_int3(probed, text, other->size, event);
	if (status)
		return status > 1000 ? status % 1000 + 100 : status;
	if (event == TEXT_MOVES) {
		probed = move_away(probed, 0);
		if (probed == MAP_FAILED || gen_call(probed, 0) != 1)
			return 6;
	}
	munmap(text, other->size);
	return gen_call(probed, 0) == 1 ? 0 : 7;
}

static void many_int3(struct __test_metadata *_metadata, struct _test_data_text *self,
		      enum int3_event event)
{
	static const size_t counts[] = { 1000, 20000 };
	static const unsigned int hits[] = { 3, 5, 4 };
	struct codefile other;
	int pipefd[2], status;
	char byte = 0;
	double begin;
	pid_t pid;

	ASSERT_EQ(0, gen_make(&other, 20000 / GEN_SIZE));
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		/* The sites are its own, and have not come with fork(). */
		ASSERT_EQ(0, pipe(pipefd));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(read(pipefd[0], &byte, 1) != 1 ? 8 :
			      live_with_int3(self->text, &other, counts[i], event));
		ATTACH(&self->slot, GEN_SLOT);
		begin = seconds_now();
		ASSERT_EQ(1, write(pipefd[1], &byte, 1));
		status = child_status(pid);
		TH_LOG("%zu bytes: %.1f s", counts[i], seconds_now() - begin);
		/* 100 and more: a signal has ended the child's own child. */
		EXPECT_EQ(0, status);
		EXPECT_EQ(hits[event], probe_hits(&self->slot));
		EXPECT_EQ(1, gen_call(self->text, 0));
		EXPECT_EQ(hits[event] + 1, probe_hits(&self->slot));
		probe_close(&self->slot);
		close(pipefd[0]);
		close(pipefd[1]);
	}
	codefile_drop(&other);
}

TEST_F(text, many_int3)
{
	many_int3(_metadata, self, NOTHING);
}

TEST_F(text, many_int3_and_a_child)
{
	many_int3(_metadata, self, CHILD_CALLS);
}

TEST_F(text, many_int3_and_text_that_moves)
{
	many_int3(_metadata, self, TEXT_MOVES);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
