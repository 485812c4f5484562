// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes and threads that come and go while they are probed.
 */
#include "common.h"

#include <pthread.h>

#define noinline __attribute__((noinline, noclone))

static noinline long give(long x)
{
	asm volatile("" : "+r" (x));
	return x * 3 + 1;
}

FIXTURE(probed) {
	struct codefile file;
	uint8_t *text;
	uint8_t image[PAGE];
	struct probe nop, slot, ret;
};

FIXTURE_SETUP(probed)
{
	gen_image(self->image, PAGE / GEN_SIZE);
	ASSERT_EQ(0, codefile_make(&self->file, self->image, PAGE));
	self->text = codefile_map(&self->file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, self->text);
	ASSERT_EQ(0, probe_all(&self->nop, self->file.path, GEN_NOP, 0));
	ASSERT_EQ(0, probe_all(&self->slot, self->file.path, GEN_SLOT, 0));
	ASSERT_EQ(0, probe_all(&self->ret, self->file.path, GEN_NOP, PROBE_RET));
	ASSERT_EQ(1, gen_call(self->text, 0));
}

FIXTURE_TEARDOWN(probed)
{
	probe_close(&self->nop);
	probe_close(&self->slot);
	probe_close(&self->ret);
	EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));
	EXPECT_EQ(1, gen_call(self->text, 0));
	codefile_drop(&self->file);
}

static void expect_hits(struct __test_metadata *_metadata,
			const struct _test_data_probed *self, uint64_t n)
{
	EXPECT_EQ(n, probe_hits(&self->nop));
	EXPECT_EQ(n, probe_hits(&self->slot));
	EXPECT_EQ(n, probe_hits(&self->ret));
}

static int call_many(const uint8_t *text, int n)
{
	for (int i = 0; i < n; i++)
		if (gen_call(text, 0) != 1)
			return 1;
	return 0;
}

TEST_F(probed, fork)
{
	pid_t pid;

	for (int i = 0; i < 10; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(call_many(self->text, 20));
		EXPECT_EQ(0, call_many(self->text, 20));
		EXPECT_EQ(0, child_status(pid));
	}
	expect_hits(_metadata, self, 1 + 400);
}

/* Taken out of both, the child being one that has not hit yet. */
TEST_F(probed, detached_in_child)
{
	int go[2], up[2];
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(up));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct map m;

		/* A descriptor that the child has would keep the probe. */
		probe_close(&self->nop);
		probe_close(&self->slot);
		probe_close(&self->ret);
		if (write(up[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		if (memcmp(self->text, self->image, PAGE))
			_exit(2);
		if (smaps_kb(self->text, "Anonymous"))
			_exit(3);
		if (call_many(self->text, 5))
			_exit(4);
		_exit(xol_map(0, &m) ? 5 : 0);
	}
	ASSERT_EQ(1, read(up[0], &byte, 1));
	probe_close(&self->nop);
	probe_close(&self->slot);
	probe_close(&self->ret);
	EXPECT_EQ(0, memcmp(self->text, self->image, PAGE));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(0, child_status(pid));
}

static struct { const uint8_t *text; int wrong; } vforked;

TEST_F(probed, vfork)
{
	pid_t pid;

	vforked.text = self->text;
	for (int i = 0; i < 10; i++) {
		pid = vfork();
		if (!pid) {
			vforked.wrong += call_many(vforked.text, 10);
			_exit(0);
		}
		ASSERT_LT(0, pid);
		EXPECT_EQ(0, child_status(pid));
		EXPECT_EQ(0, call_many(self->text, 10));
	}
	EXPECT_EQ(0, vforked.wrong);
	expect_hits(_metadata, self, 1 + 200);
}

/* Grandchildren, and a parent that is gone before they hit. */
TEST_F(probed, orphans)
{
	int done[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(done));
	for (int i = 0; i < 5; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			if (fork())
				_exit(0);
			usleep(20000);
			byte = call_many(self->text, 10);
			probe_close(&self->nop);
			probe_close(&self->slot);
			probe_close(&self->ret);
			_exit(write(done[1], &byte, 1) != 1);
		}
		EXPECT_EQ(0, child_status(pid));
	}
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(1, read(done[0], &byte, 1));
		EXPECT_EQ(0, byte);
	}
	expect_hits(_metadata, self, 1 + 50);
}

static void *thread_body(void *text)
{
	return (void *)(long)call_many(text, 500);
}

TEST_F(probed, threads)
{
	pthread_t threads[8];
	void *wrong;

	for (int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, thread_body, self->text));
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++) {
			pthread_join(threads[i], &wrong);
			EXPECT_EQ(NULL, wrong);
		}
	}
	expect_hits(_metadata, self, 1 + 5 * 8 * 500);
}

/* One thread forks while the others are hitting. */
static volatile int stop;

static void *hit_until(void *text)
{
	long n = 0;

	while (!stop) {
		if (gen_call(text, 0) != 1)
			return (void *)-1L;
		n++;
	}
	return (void *)n;
}

TEST_F(probed, fork_among_threads)
{
	pthread_t threads[3];
	unsigned long total = 1;
	void *n;
	pid_t pid;

	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, hit_until, self->text));
	for (int i = 0; i < 30; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(call_many(self->text, 10));
		EXPECT_EQ(0, child_status(pid));
		total += 10;
	}
	stop = 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &n);
		EXPECT_LE(0, (long)n);
		total += (long)n;
	}
	expect_hits(_metadata, self, total);
}

/* A thread takes the whole process down while others are in the middle of it. */
TEST_F(probed, exit_among_threads)
{
	pthread_t thread;
	pid_t pid;

	for (int i = 0; i < 20; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			for (int t = 0; t < 4; t++)
				pthread_create(&thread, NULL, hit_until, self->text);
			usleep(500 * i);
			_exit(7);
		}
		ASSERT_EQ(7, child_status(pid));
	}
	EXPECT_LT(1, probe_hits(&self->nop));
	EXPECT_EQ(0, call_many(self->text, 10));
}

/* exec from a probed process; the new program is this one, told to hit. */
static int exec_self(const char *path, char *arg)
{
	char *const argv[] = { "fork_exec_test", "--hit", arg, NULL };
	char *const envp[] = { NULL };

	execve(path, argv, envp);
	return 127;
}

TEST_F(probed, exec)
{
	struct probe self_give;
	uint64_t hits;
	pid_t pid;

	ASSERT_EQ(0, probe_addr_all(&self_give, give, 0));
	EXPECT_EQ(7, give(2));
	for (int i = 0; i < 5; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			give(1);
			gen_call(self->text, 0);
			_exit(exec_self("/proc/self/exe", self->file.path));
		}
		EXPECT_EQ(0, child_status(pid));
	}
	hits = probe_hits(&self_give);
	EXPECT_EQ(1 + 5 * (1 + 10), hits);
	expect_hits(_metadata, self, 1 + 5 * (1 + 10));
	probe_close(&self_give);
}

static void *execs(void *path)
{
	exec_self("/proc/self/exe", path);
	return NULL;
}

/* By a thread that is not the leader, while the leader is hitting. */
TEST_F(probed, exec_among_threads)
{
	pthread_t thread;
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			pthread_create(&thread, NULL, execs, self->file.path);
			hit_until(self->text);
			_exit(1);
		}
		EXPECT_EQ(0, child_status(pid));
	}
}

/* A return that is pending when the process forks comes twice. */
static noinline long forks(long x)
{
	pid_t pid = fork();

	return pid ? pid : -x;
}

TEST(pending_over_fork)
{
	struct probe ret;
	long pid;

	ASSERT_EQ(0, probe_addr_all(&ret, forks, PROBE_RET));
	for (int i = 0; i < 5; i++) {
		pid = forks(5);
		if (pid == -5)
			_exit(9);
		ASSERT_LT(0, pid);
		EXPECT_EQ(9, child_status(pid));
	}
	EXPECT_EQ(10, probe_hits(&ret));
	probe_close(&ret);
}

/* What a wrapper of vfork does: leaves in both with the return address kept. */
long vfork_wrapper(void);
asm("	.text\n"
	"vfork_wrapper:\n"
#ifdef __x86_64__
	"	pop	%rdi\n"
	"	mov	$58, %eax\n"
	"	syscall\n"
	"	push	%rdi\n"
#else
	"	pop	%edx\n"
	"	mov	$190, %eax\n"
	"	int	$0x80\n"
	"	push	%edx\n"
#endif
	"	ret\n");

TEST(pending_over_vfork)
{
	struct probe ret;
	long pid;

	ASSERT_EQ(0, probe_addr_all(&ret, vfork_wrapper, PROBE_RET));
	for (int i = 0; i < 5; i++) {
		pid = vfork_wrapper();
		if (!pid)
			_exit(9);
		ASSERT_LT(0, pid);
		EXPECT_EQ(9, child_status(pid));
	}
	EXPECT_EQ(10, probe_hits(&ret));
	probe_close(&ret);
}

/* ---- who probes is killed while his probes go ---- */

#define OWNED		64	/* probes, each on a function of its own */
#define BYSTANDERS	4

static int planted_in(const volatile uint8_t *text)
{
	int n = 0;

	for (int i = 0; i < OWNED; i++)
		n += text[GEN_SIZE * i + GEN_NOP] == 0xcc;
	return n;
}

/* Plants them for all, and when it is told takes all of them out in one system call. */
static void own_probes(const char *path, int said, int told)
{
	int fd, first = 0;
	char byte = 0;

	for (int i = 0; i < OWNED; i++) {
		fd = probe_open(path, GEN_SIZE * i + GEN_NOP, 0, 0, -1, 0);
		if (fd < 0)
			_exit(1);
		first = first ?: fd;
	}
	if (write(said, &byte, 1) != 1 || read(told, &byte, 1) != 1)
		_exit(2);
	syscall(SYS_close_range, first, ~0U, 0);
	_exit(0);
}

/* Waits for the end, and says whether its text is as it was. */
static pid_t start_bystander(const uint8_t *text, const uint8_t *image, const int *end)
{
	pid_t pid = fork();
	char byte;

	if (pid)
		return pid;
	close(end[1]);
	if (read(end[0], &byte, 1) || memcmp(text, image, PAGE))
		_exit(1);
	for (int i = 0; i < OWNED; i++)
		if (gen_call(text, i) != i + 1)
			_exit(2);
	_exit(0);
}

/* How many of them were left when it was told to die? */
static int kill_while_closing(struct __test_metadata *_metadata, const struct codefile *file,
			      const uint8_t *text, const uint8_t *image)
{
	int said[2], told[2], end[2], left, i;
	pid_t owner, bystander[BYSTANDERS];
	char byte = 0;

	ASSERT_EQ(0, pipe2(said, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(told, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(end, O_CLOEXEC));
	for (i = 0; i < BYSTANDERS / 2; i++)
		bystander[i] = start_bystander(text, image, end);
	owner = fork();
	ASSERT_LE(0, owner);
	if (!owner)
		own_probes(file->path, said[1], told[0]);
	ASSERT_EQ(1, read(said[0], &byte, 1));
	ASSERT_EQ(OWNED, planted_in(text));
	/* These have the breakpoints from their parent. */
	for (; i < BYSTANDERS; i++)
		bystander[i] = start_bystander(text, image, end);

	ASSERT_EQ(1, write(told[1], &byte, 1));
	while (planted_in(text) == OWNED)
		;
	kill(owner, SIGKILL);
	left = planted_in(text);
	EXPECT_EQ(1000 + SIGKILL, child_status(owner));

	EXPECT_EQ(0, planted_in(text));
	EXPECT_EQ(0, memcmp(text, image, PAGE));
	close(end[1]);
	for (i = 0; i < BYSTANDERS; i++)
		EXPECT_EQ(0, child_status(bystander[i]));
	close(end[0]);
	close(said[0]);
	close(said[1]);
	close(told[0]);
	close(told[1]);
	return left;
}

TEST(killed_while_it_closes)
{
	long before = debugfs_stat("probepoints");
	uint8_t image[PAGE], *text;
	struct codefile file;
	int left, most = 0;

	gen_image(image, PAGE / GEN_SIZE);
	ASSERT_EQ(0, codefile_make(&file, image, PAGE));
	text = codefile_map(&file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, text);
	for (int round = 0; round < 5; round++) {
		left = kill_while_closing(_metadata, &file, text, image);
		TH_LOG("killed when %d of %d were left", left, OWNED);
		most = left > most ? left : most;
	}
	EXPECT_LT(0, most);
	/* There may have been some of earlier tests, about to go. */
	EXPECT_LE(debugfs_stat("probepoints"), before);
	codefile_drop(&file);
}

/* The exec'd side: hit ten times and go. */
static int hit_and_exit(const char *path)
{
	uint8_t *text;
	int fd = open(path, O_RDONLY);

	text = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return 2;
	for (long i = 0; i < 10; i++)
		if (give(i) != i * 3 + 1)
			return 3;
	return call_many(text, 10);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--hit"))
		return hit_and_exit(argv[2]);
	return uprobes_test_main(argc, argv);
}
