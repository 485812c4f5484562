// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interface for kernel code, register_uprobe() and the one of 6.12, by way
 * of modules/uprobe_test.ko, which is looked for beside this program, in
 * modules/ there and in ../modules/, and where UPROBE_MODULES says.
 */
#include "common.h"

#include <libgen.h>
#include <pthread.h>

#define PARAMETERS	"/sys/module/uprobe_test/parameters/"
#define MAX_NUMBERS	64

static int open_module(const char *name)
{
	const char *dir = getenv("UPROBE_MODULES");
	char self[512] = "", path[1024];
	int fd = -1;

	if (dir) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -1;
	dirname(self);
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/%s", self, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/modules/%s", self, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/../modules/%s", self, name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd;
}

FIXTURE(module) {
	struct codefile file;
	uint8_t *text;
	uint8_t image[PAGE];
	int fd;
	bool loaded;
};

#define REFUSED_AT	(PAGE - 64)

FIXTURE_SETUP(module)
{
	self->fd = open_module("uprobe_test.ko");
	if (self->fd < 0)
		SKIP(return, "no uprobe_test.ko: make -C KERNEL M=.../modules");
	syscall(SYS_delete_module, "uprobe_test", 0);
	gen_image(self->image, PAGE / GEN_SIZE);
	memcpy(self->image + REFUSED_AT, "\xf1\x90", 2);
	ASSERT_EQ(0, codefile_make(&self->file, self->image, PAGE));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
}

static int load_for(struct __test_metadata *_metadata, struct _test_data_module *self,
		    const char *run, const char *path, const char *offsets)
{
	char args[1024];
	int ret;

	snprintf(args, sizeof(args), "run=%s path=%s offsets=%s pid=%d vaddr=0x%lx", run,
		 path, offsets, getpid(), (unsigned long)self->text + GEN_SLOT);
	ret = syscall(SYS_finit_module, self->fd, args, 0);
	self->loaded = !ret;
	EXPECT_EQ(0, ret)
		TH_LOG("finit_module: %s", strerror(errno));
	return ret;
}

static int load(struct __test_metadata *_metadata, struct _test_data_module *self,
		const char *run, const char *offsets)
{
	return load_for(_metadata, self, run, self->file.path, offsets);
}

static void unload(struct __test_metadata *_metadata, struct _test_data_module *self)
{
	if (self->loaded)
		EXPECT_EQ(0, syscall(SYS_delete_module, "uprobe_test", 0));
	self->loaded = false;
}

FIXTURE_TEARDOWN(module)
{
	unload(_metadata, self);
	EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));
	EXPECT_EQ(0, smaps_kb(self->text, "Anonymous"));
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_TRUE(xol_gone(0, 5));
	codefile_drop(&self->file);
}

/* Numbers from a parameter of the module. */
static int numbers(const char *name, long *to)
{
	char path[128], buf[1024], *p = buf;
	int n = 0;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	if (read_text(path, buf, sizeof(buf)) <= 0)
		return -1;
	while (*p && *p != '\n' && n < MAX_NUMBERS) {
		to[n++] = strtol(p, &p, 10);
		if (*p == ',')
			p++;
	}
	return n;
}

static long hits_of(int i)
{
	long n[MAX_NUMBERS] = { };

	numbers("hits", n);
	return n[i];
}

#define RETURNS	15	/* the place of the return handlers' count */

static void expect_results(struct __test_metadata *_metadata, const long *want, int n)
{
	long got[MAX_NUMBERS] = { };

	ASSERT_EQ(n, numbers("results", got));
	for (int i = 0; i < n; i++) {
		EXPECT_EQ(want[i], got[i])
			TH_LOG("result %d", i);
	}
}

#define EXPECT_RESULTS(...) do {					\
	static const long want[] = { __VA_ARGS__ };			\
									\
	expect_results(_metadata, want, ARRAY_SIZE(want));		\
} while (0)

/* In the order in which the module does it. */
static const long errors[] = {
	-EINVAL,	/* NULL */
	-EINVAL,	/* no handler */
	-EINVAL,	/* no file, no process */
	0,
	-EBUSY,		/* twice */
	0,		/* again, after it was taken out */
	-ENOENT,	/* missing file */
	-EINVAL,	/* directory */
	-EIO,		/* procfs */
	-EINVAL,	/* past the end */
	-EOPNOTSUPP,	/* refused instruction */
	-EINVAL,	/* before the beginning */
	-EINVAL,	/* misaligned reference counter */
	-EOPNOTSUPP,	/* one of three is refused */
	0,		/* and the others are not registered */
	-EINVAL,	/* no array */
	-ENOENT,	/* nothing mapped there */
	-ESRCH,		/* no such process */
};

TEST_F(module, errors)
{
	char offsets[64];

	snprintf(offsets, sizeof(offsets), "%d,%d,%lu,%lu", GEN_NOP, GEN_SIZE, REFUSED_AT,
		 16 * PAGE);
	if (load(_metadata, self, "errno", offsets))
		return;
	expect_results(_metadata, errors, ARRAY_SIZE(errors));
	EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));
}

TEST_F(module, consumer_errors)
{
	char offsets[64];

	snprintf(offsets, sizeof(offsets), "%d,%d,%lu,%lu", GEN_NOP, GEN_SIZE, REFUSED_AT,
		 16 * PAGE);
	if (load(_metadata, self, "consumer", offsets))
		return;
	EXPECT_RESULTS(-EINVAL, -EINVAL, -KERNEL_ENOTSUPP, -EINVAL, 0, 0, 0);
	EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));
}

TEST_F(module, counts)
{
	if (load(_metadata, self, "count", "0,6,9,16,22"))
		return;
	EXPECT_RESULTS(0);
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(1, gen_call(self->text, 0));
		ASSERT_EQ(2, gen_call(self->text, 1));
	}
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(10, hits_of(i));
	EXPECT_EQ(10, hits_of(RETURNS));
}

/* By process and address: it stays in that process. */
TEST_F(module, one_process)
{
	pid_t pid;

	if (load(_metadata, self, "pid", "0"))
		return;
	EXPECT_RESULTS(0);
	EXPECT_EQ(0xcc, self->text[GEN_SLOT]);
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(10, hits_of(0));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* What the fork took along must not stop it, nor count. */
		for (int i = 0; i < 10; i++)
			if (gen_call(self->text, 0) != 1)
				_exit(1);
		munmap(self->text, PAGE);
		self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
		_exit(self->text[GEN_SLOT] == 0xcc ? 2 : 0);
	}
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(10, hits_of(0));
}

TEST_F(module, filter)
{
	pid_t pid;

	if (load(_metadata, self, "filter", "6"))
		return;
	EXPECT_RESULTS(0);
	ASSERT_EQ(1, gen_call(self->text, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(gen_call(self->text, 0) == 1 ? 0 : 1);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(1, hits_of(0));
}

/* The handler does not want to see this process again. */
TEST_F(module, removed_by_handler)
{
	if (load(_metadata, self, "remove", "6"))
		return;
	EXPECT_RESULTS(0);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, gen_call(self->text, 0));
	/* Without a filter to ask the process is wanted. */
	EXPECT_EQ(5, hits_of(0));
	unload(_metadata, self);

	if (load(_metadata, self, "remove_filtered", "6"))
		return;
	EXPECT_RESULTS(0);
	EXPECT_EQ(0xcc, self->text[GEN_SLOT]);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(1, hits_of(0));
	EXPECT_EQ(self->image[GEN_SLOT], self->text[GEN_SLOT]);
}

TEST_F(module, changes_ip)
{
	if (load(_metadata, self, "change_ip", "0"))
		return;
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(4711, gen_call(self->text, 0));
	EXPECT_EQ(5, hits_of(0));
	unload(_metadata, self);
	EXPECT_EQ(1, gen_call(self->text, 0));
}

TEST_F(module, changes_registers)
{
	if (load(_metadata, self, "registers", "6"))
		return;
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(1000, gen_call(self->text, 0));
	unload(_metadata, self);
	EXPECT_EQ(1, gen_call(self->text, 0));
}

static int wrong;

static void *call_five(void *text)
{
	for (int i = 0; i < 5; i++)
		if (gen_call(text, 0) != 1)
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	return NULL;
}

TEST_F(module, sleeps)
{
	pthread_t threads[4];

	if (load(_metadata, self, "sleep", "0"))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, call_five, self->text));
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(20, hits_of(0));
	EXPECT_EQ(20, hits_of(RETURNS));
}

/* Unloaded while handlers sleep: it waits for them. */
TEST_F(module, unloaded_in_sleep)
{
	pthread_t threads[4];

	for (int round = 0; round < 5; round++) {
		if (load(_metadata, self, "sleep", "0"))
			return;
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, call_five, self->text));
		for (int i = 0; i < 5000 && !hits_of(0); i++)
			usleep(1000);
		EXPECT_LT(0, hits_of(0));
		usleep(7000 * round);
		unload(_metadata, self);
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
			pthread_join(threads[i], NULL);
		EXPECT_EQ(0, wrong);
	}
}

/* Unloaded while the function whose return is probed has not returned. */
static __attribute__((noinline, noclone)) long waits(int fd, int up)
{
	char byte = 1;

	if (write(up, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
		return -1;
	return 99;
}

TEST_F(module, unloaded_with_return_pending)
{
	int go[2], up[2];
	char offset[32];
	struct where w;
	char byte = 0;
	pid_t pid;

	ASSERT_TRUE(where_is(waits, &w));
	snprintf(offset, sizeof(offset), "%llu", (unsigned long long)w.offset);
	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(up));
	if (load_for(_metadata, self, "count", w.path, offset))
		return;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(waits(go[0], up[1]));
	ASSERT_EQ(1, read(up[0], &byte, 1));
	EXPECT_EQ(1, hits_of(0));
	unload(_metadata, self);
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(99, child_status(pid));
}

/* Handlers that register and unregister others, and themselves. */
TEST_F(module, reenters)
{
	if (load(_metadata, self, "reenter", "0,6"))
		return;
	for (int i = 0; i < 20; i++)
		ASSERT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(10, hits_of(0));
	/* One is in place for each call with an odd number, the last of which is the ninth. */
	for (int i = 1; i <= 5; i++)
		EXPECT_EQ(1, hits_of(i));
	EXPECT_RESULTS(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static volatile int stop;

static void *call_until(void *text)
{
	while (!stop)
		call_five(text);
	return NULL;
}

TEST_F(module, registered_while_hit)
{
	pthread_t threads[3];

	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, call_until, self->text));
	if (!load(_metadata, self, "busy", "0,1,6,9"))
		EXPECT_RESULTS(0);
	stop = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, wrong);
}

/* What the kernel has logged since @log was at its end: is @line there? */
static bool logged(int log, const char *line)
{
	char record[2048];
	bool found = false;
	ssize_t n;

	while ((n = read(log, record, sizeof(record) - 1)) > 0) {
		record[n] = '\0';
		found |= !!strstr(record, line);
	}
	return found;
}

/* samples/uprobes does what it says. */
TEST_F(module, sample)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int fd = open_module("uprobe_example.ko");
	char args[512];

	if (fd < 0)
		SKIP(return, "no uprobe_example.ko: CONFIG_SAMPLE_UPROBES=m");
	ASSERT_LE(0, log);
	lseek(log, 0, SEEK_END);

	snprintf(args, sizeof(args), "path=%s offset=%#x", self->file.path, 2 * GEN_SIZE);
	ASSERT_EQ(0, syscall(SYS_finit_module, fd, args, 0));
	for (int i = 0; i < 7; i++)
		EXPECT_EQ(3, gen_call(self->text, 2));
	EXPECT_EQ(1, gen_call(self->text, 0));
	EXPECT_EQ(0, syscall(SYS_delete_module, "uprobe_example", 0));
	EXPECT_TRUE(logged(log, "uprobe_example: 7 calls, 7 returns"));
	close(log);
	close(fd);
}

int main(int argc, char **argv)
{
	return uprobes_test_main(argc, argv);
}
