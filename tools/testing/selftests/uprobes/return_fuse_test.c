// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that return to text of a FUSE file system. Its server is a process like
 * any other: slow, stopped, or not to be trusted. So nothing is planted there but
 * where somebody has asked for it, and no page is read: a thread that has hit a probe
 * would wait for the server, and others for that thread.
 */
#include "return_functions.h"

#include <linux/fuse.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define FALLBACK	"/sys/module/uprobes/parameters/return_fallback"

/* How long to wait for what has to come. Nothing is asked of what comes sooner. */
#define PATIENCE	60

#define ROUNDS		20

/* ---- the text: it calls, and is returned to ---- */

extern const char through[], through_back[], through_end[];

/* As if through() had called @fn, from the text where @back is; that is not touched. */
long go_back(long x, long (*fn)(long x), const void *back);

asm("	.text\n"
#ifdef __x86_64__
	"through:\n"
	"	sub	$8, %rsp\n"
	"	call	*%rsi\n"
	"through_back:\n"
	"	lea	5(%rax), %rax\n"
	"	add	$8, %rsp\n"
	"	ret\n"
	"through_end:\n"
	"go_back:\n"
	"	sub	$8, %rsp\n"
	"	push	%rdx\n"
	"	jmp	*%rsi\n"
#else
	"through:\n"
	"	push	4(%esp)\n"
	"	call	*12(%esp)\n"
	"through_back:\n"
	"	lea	5(%eax), %eax\n"
	"	add	$4, %esp\n"
	"	ret\n"
	"through_end:\n"
	"go_back:\n"
	"	push	4(%esp)\n"
	"	push	16(%esp)\n"
	"	jmp	*16(%esp)\n"
#endif
	);

/* The first page says what kind of code it is; the program needs the third only. */
#define PAGES		4
#define CODE_PAGE	2
#define CODE		(CODE_PAGE * PAGE)
#define BACK		(CODE + (through_back - through))

static uint8_t image[PAGES * PAGE];

static void make_image(void)
{
	memset(image, 0xcc, sizeof(image));
	code_ident(image);
	memcpy(image + CODE, through, through_end - through);
}

/* ---- the server ---- */

#define TEXT_NAME	"text"
#define TEXT_NODE	2
#define VALID_SECONDS	1000000

/* Requests to read each page; shared with the server */
static uint32_t *reads;

static void reply(int dev, const struct fuse_in_header *in, int err, const void *data,
		  size_t size)
{
	struct fuse_out_header out = {
		.len = sizeof(out) + size,
		.error = err,
		.unique = in->unique,
	};
	struct iovec parts[] = {
		{ &out, sizeof(out) },
		{ (void *)data, size },
	};

	/* Who has asked may have been killed. */
	if (writev(dev, parts, size ? 2 : 1) < 0 && errno != ENOENT)
		_exit(97);
}

static struct fuse_attr attr_of(uint64_t node)
{
	return (struct fuse_attr) {
		.ino = node,
		.size = node == TEXT_NODE ? sizeof(image) : 0,
		.mode = (node == TEXT_NODE ? S_IFREG : S_IFDIR) | 0755,
		.nlink = 1,
		.blksize = PAGE,
	};
}

static void on_init(int dev, const struct fuse_in_header *in)
{
	/* Pages are read one by one. */
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 0,
		.max_write = PAGE,
		.time_gran = 1,
	};

	reply(dev, in, 0, &out, sizeof(out));
}

static void on_lookup(int dev, const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = TEXT_NODE,
		.entry_valid = VALID_SECONDS,
		.attr_valid = VALID_SECONDS,
		.attr = attr_of(TEXT_NODE),
	};

	if (strcmp(name, TEXT_NAME))
		reply(dev, in, -ENOENT, NULL, 0);
	else
		reply(dev, in, 0, &out, sizeof(out));
}

static void on_getattr(int dev, const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {
		.attr_valid = VALID_SECONDS,
		.attr = attr_of(in->nodeid),
	};

	reply(dev, in, 0, &out, sizeof(out));
}

/* Who opens it finds no page in the page cache: not FOPEN_KEEP_CACHE. */
static void on_open(int dev, const struct fuse_in_header *in)
{
	struct fuse_open_out out = { };

	reply(dev, in, 0, &out, sizeof(out));
}

static void on_read(int dev, const struct fuse_in_header *in, const struct fuse_read_in *what)
{
	uint64_t at = what->offset, end = at + what->size;

	if (end > sizeof(image))
		end = sizeof(image);
	for (uint64_t page = at / PAGE; page * PAGE < end; page++)
		__atomic_add_fetch(&reads[page], 1, __ATOMIC_SEQ_CST);
	reply(dev, in, 0, image + at, at < end ? end - at : 0);
}

static void serve(int dev)
{
	static union {
		struct fuse_in_header in;
		uint8_t bytes[4 * PAGE];
	} request;
	const struct fuse_in_header *in = &request.in;
	const void *what = in + 1;

	for (;;) {
		if (read(dev, &request, sizeof(request)) < (ssize_t)sizeof(*in)) {
			if (errno == EINTR || errno == ENOENT || errno == EAGAIN)
				continue;
			_exit(errno == ENODEV ? 0 : 98);
		}
		switch (in->opcode) {
		case FUSE_INIT:
			on_init(dev, in);
			break;
		case FUSE_LOOKUP:
			on_lookup(dev, in, what);
			break;
		case FUSE_GETATTR:
			on_getattr(dev, in);
			break;
		case FUSE_OPEN:
			on_open(dev, in);
			break;
		case FUSE_READ:
			on_read(dev, in, what);
			break;
		case FUSE_FLUSH:
		case FUSE_RELEASE:
			reply(dev, in, 0, NULL, 0);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			reply(dev, in, -EOPNOTSUPP, NULL, 0);
			break;
		}
	}
}

/* Nobody else has the device open: when the server goes nobody waits for it any more. */
static void server_main(const char *dir, int up)
{
	char options[64];
	int dev;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (dev < 0 || mount("uprobes", dir, "fuse", MS_NOSUID | MS_NODEV, options) ||
	    write(up, "", 1) != 1)
		_exit(96);
	close(up);
	serve(dev);
}

/* In a mount namespace of the test's own, so that nothing is left mounted. */
static pid_t server_start(const char *dir)
{
	int up[2];
	char byte;
	pid_t pid;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    pipe2(up, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		close(up[0]);
		server_main(dir, up[1]);
	}
	close(up[1]);
	if (read(up[0], &byte, 1) != 1)
		pid = -1;
	close(up[0]);
	return pid;
}

/* ---- the program: does what it is told, and answers with a line ---- */

static const uint8_t *seen_back;

static PROBED long whence(long x)
{
	seen_back = __builtin_extract_return_addr(__builtin_return_address(0));
	RETURNS(whence);
	return x;
}

static PROBED long tells(long x)
{
	printf("entered\n");
	RETURNS(tells);
	return x + 1;
}

static int returns_to_fuse(void)
{
	long (*call)(long x, long (*fn)(long x));
	int fd = open(getenv("FUSE_TEXT"), O_RDONLY | O_CLOEXEC);
	uint8_t *text = mmap(NULL, sizeof(image), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	char what;

	close(fd);
	if (text == MAP_FAILED)
		return 1;
	call = (void *)(text + CODE);
	printf("ready\n");
	while (read(0, &what, 1) == 1) {
		long x = 0;

		switch (what) {
		case 'c':
			for (long i = 0; i < ROUNDS; i++)
				x += call(i, leaf) + leaf(i);
			break;
		case 'w':
			call(1, whence);
			x = seen_back - text;
			break;
		case 'g':
			x = go_back(1, tells, text + BACK);
			break;
		case 'n':
			/* From where it has not been called before */
			x = leaf(4);
			break;
		case 'd':
			x = madvise(text + CODE, PAGE, MADV_DONTNEED);
			break;
		}
		printf("%c %#lx\n", what, x);
	}
	return 0;
}

static const struct scenario fuse_scenario __attribute__((used, section("scenarios"))) = {
	"returns_to_fuse", returns_to_fuse
};

/* ---- what is seen of it ---- */

struct run {
	struct result result;
	struct tallies tallies;
	uint32_t reads[PAGES];
};

FIXTURE(fuse) {
	struct program p;
	char path[64], dir[64], text[80], id[80], fallback[32];
	pid_t server, pid;
	int in, out;			/* of the program */
	struct run *plain, *probed, *now;
};

/* Where in the kernel does it wait? */
static void show_stack(pid_t pid)
{
	char path[64], stack[2048];

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	if (read_text(path, stack, sizeof(stack)) > 0)
		printf("# %d waits in\n%s", pid, stack);
	fflush(stdout);
}

/* child_status() of one that ends in time; -2 if it does not */
static int status_in_time(pid_t pid)
{
	double end = seconds_now() + PATIENCE;
	siginfo_t info;

	do {
		info.si_pid = 0;
		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT))
			return -1;
		if (info.si_pid == pid)
			return child_status(pid);
		usleep(10000);
	} while (seconds_now() < end);
	show_stack(pid);
	return -2;
}

/* The next line; false if it has ended, or says nothing */
static bool hear(struct _test_data_fuse *self)
{
	double end = seconds_now() + PATIENCE;
	struct result *r = &self->now->result;
	struct pollfd p = { self->out, POLLIN };

	while (r->size < MAX_OUTPUT - 1 && seconds_now() < end) {
		if (poll(&p, 1, 100) <= 0)
			continue;
		if (read(self->out, r->output + r->size, 1) != 1)
			return false;
		if (r->output[r->size++] == '\n')
			return true;
	}
	return false;
}

static bool tell(struct _test_data_fuse *self, const char *what)
{
	bool done = true;

	for (; *what && done; what++)
		done = write(self->in, what, 1) == 1 && hear(self);
	return done;
}

/* Has it mapped the text? What it says, and what the server sees, is for @run. */
static bool program_begin(struct _test_data_fuse *self, struct run *run)
{
	int in[2], out[2];

	memset(run, 0, sizeof(*run));
	memcpy(run->reads, reads, sizeof(run->reads));
	self->now = run;
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return false;
	self->pid = fork();
	if (!self->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		execv(self->path, (char *const *)self->p.argv);
		_exit(125);
	}
	close(in[0]);
	close(out[1]);
	self->in = in[1];
	self->out = out[0];
	return hear(self);
}

static void program_end(struct _test_data_fuse *self)
{
	struct run *run = self->now;

	close(self->in);
	while (hear(self))
		;
	close(self->out);
	run->result.status = status_in_time(self->pid);
	self->pid = 0;
	take_tallies(&run->result, &run->tallies);
	for (int i = 0; i < PAGES; i++)
		run->reads[i] = reads[i] - run->reads[i];
}

static void run_unprobed(struct __test_metadata *_metadata, struct _test_data_fuse *self,
			 const char *what)
{
	ASSERT_TRUE(program_begin(self, self->plain));
	ASSERT_TRUE(tell(self, what));
	program_end(self);
	ASSERT_EQ(0, self->plain->result.status);
	/* What is asked for is seen: no more than the one page with the code. */
	ASSERT_EQ(1, self->plain->reads[CODE_PAGE]);
	ASSERT_EQ(0, self->plain->reads[0]);
}

/* With probes the program says, and the server sees, what they did without. */
static void expect_same(struct __test_metadata *_metadata, struct _test_data_fuse *self)
{
	EXPECT_TRUE(same_result(&self->plain->result, &self->probed->result)) {
		print_result("plain", &self->plain->result);
		print_result("probed", &self->probed->result);
	}
	for (int i = 0; i < PAGES; i++) {
		EXPECT_EQ(self->plain->reads[i], self->probed->reads[i])
			TH_LOG("page %d", i);
	}
}

/* Returns from @function that the probed program has counted */
static long counted(const struct _test_data_fuse *self, const char *function)
{
	const struct tallies *t = &self->probed->tallies;

	for (unsigned int i = 0; i < t->n; i++)
		if (!strcmp(t->of[i].name, function))
			return t->of[i].returns;
	return 0;
}

static int probe_function(const struct _test_data_fuse *self, struct probe *p,
			  const char *function, int flags)
{
	const struct functions *f = &self->p.files[0];
	int i = function_index(f, function);

	return i < 0 ? -ENOENT : probe_all(p, self->path, f->offsets[i], flags);
}

/* The probepoint in the text that is returned to: are there @uprobes on it, and @hits? */
static bool point_has(const struct _test_data_fuse *self, int uprobes, long hits)
{
	char line[512], offset[32];
	long is_hits;
	int is;

	snprintf(offset, sizeof(offset), " %#lx ", (unsigned long)BACK);
	return debugfs_line("list", self->id, offset, line, sizeof(line)) &&
	       sscanf(line, "%*s %*s %*s %*s %d %*s %ld", &is, &is_hits) == 2 &&
	       is == uprobes && is_hits == hits;
}

/* Has the kernel anything there? */
static bool any_point(const struct _test_data_fuse *self)
{
	return debugfs_line("list", self->id, NULL, NULL, 0);
}

static bool points_go(const struct _test_data_fuse *self)
{
	double end = seconds_now() + PATIENCE;

	while (any_point(self) && seconds_now() < end)
		usleep(20000);
	return !any_point(self);
}

FIXTURE_SETUP(fuse)
{
	int fd;

	if (access("/dev/fuse", R_OK | W_OK))
		SKIP(return, "no /dev/fuse (CONFIG_FUSE_FS)");
	ASSERT_TRUE(have_debugfs());
	ASSERT_LT(0, read_text(FALLBACK, self->fallback, sizeof(self->fallback)));
	ASSERT_EQ(0, write_text(FALLBACK, 0, "trampoline\n"));
	self->plain = calloc(2, sizeof(*self->plain));
	ASSERT_NE(NULL, self->plain);
	self->probed = self->plain + 1;

	make_image();
	reads = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, reads);
	snprintf(self->dir, sizeof(self->dir), "/tmp/uprobes-fuse-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	self->server = server_start(self->dir);
	ASSERT_LT(0, self->server);
	snprintf(self->text, sizeof(self->text), "%s/" TEXT_NAME, self->dir);
	ASSERT_EQ(0, setenv("FUSE_TEXT", self->text, 1));
	fd = open(self->text, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	file_id(fd, self->id, sizeof(self->id) - 1);
	strcat(self->id, " ");
	close(fd);
	ASSERT_EQ(0, scenario_program(&self->p, self->path, sizeof(self->path),
				      "returns_to_fuse"));
}

FIXTURE_TEARDOWN(fuse)
{
	kill(self->server, SIGKILL);
	EXPECT_EQ(1000 + SIGKILL, status_in_time(self->server));
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		EXPECT_LE(0, status_in_time(self->pid));
	}
	umount2(self->dir, MNT_DETACH);
	rmdir(self->dir);
	scenario_drop(&self->p);
	free(self->plain);
	EXPECT_EQ(0, write_text(FALLBACK, 0, "%s", self->fallback));
}

/* ---- nobody has asked for a probe there ---- */

TEST_F(fuse, by_the_trampoline)
{
	struct probe out;
	long before;

	run_unprobed(_metadata, self, "cc");

	ASSERT_EQ(0, probe_function(self, &out, "leaf", PROBE_RET));
	before = debugfs_stat("trampolines");
	ASSERT_TRUE(program_begin(self, self->probed));
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_FALSE(any_point(self));
	ASSERT_TRUE(tell(self, "c"));
	program_end(self);
	expect_same(_metadata, self);
	EXPECT_EQ(4 * ROUNDS, counted(self, "leaf"));
	EXPECT_EQ(4 * ROUNDS, probe_hits(&out));
	/* What it calls from its own text returns without one. */
	EXPECT_EQ(before + 2 * ROUNDS, debugfs_stat("trampolines"));
	probe_close(&out);
}

/* Skipped, the function finds its true return address. */
TEST_F(fuse, skipped)
{
	long skipped, trampolines;
	struct probe out, out2;

	run_unprobed(_metadata, self, "cwc");

	ASSERT_EQ(0, probe_function(self, &out, "leaf", PROBE_RET));
	ASSERT_EQ(0, probe_function(self, &out2, "whence", PROBE_RET));
	skipped = debugfs_stat("drop_skipped");
	trampolines = debugfs_stat("trampolines");
	ASSERT_EQ(0, write_text(FALLBACK, 0, "skip\n"));
	/* No more than expected until it is put back. */
	EXPECT_TRUE(program_begin(self, self->probed));
	EXPECT_TRUE(tell(self, "cw"));
	EXPECT_FALSE(any_point(self));
	EXPECT_EQ(ROUNDS, probe_hits(&out));
	EXPECT_EQ(0, probe_hits(&out2));
	EXPECT_EQ(skipped + ROUNDS + 1, debugfs_stat("drop_skipped"));
	EXPECT_EQ(trampolines, debugfs_stat("trampolines"));

	/* It counts from now on. */
	ASSERT_EQ(0, write_text(FALLBACK, 0, "trampoline\n"));
	ASSERT_TRUE(tell(self, "c"));
	program_end(self);
	expect_same(_metadata, self);
	EXPECT_EQ(4 * ROUNDS, counted(self, "leaf"));
	EXPECT_EQ(3 * ROUNDS, probe_hits(&out));
	EXPECT_EQ(skipped + ROUNDS + 1, debugfs_stat("drop_skipped"));
	EXPECT_EQ(trampolines + ROUNDS, debugfs_stat("trampolines"));
	probe_close(&out);
	probe_close(&out2);
}

/* ---- somebody has ---- */

/* A file that somebody has mapped can be read to register a probe on it. */
static const void *map_text(const struct _test_data_fuse *self)
{
	int fd = open(self->text, O_RDONLY | O_CLOEXEC);
	const void *at = mmap(NULL, sizeof(image), PROT_READ, MAP_PRIVATE, fd, 0);

	close(fd);
	return at;
}

/* Functions return to a probepoint that is there as to any other; then it is theirs, too. */
TEST_F(fuse, where_a_probe_is)
{
	struct probe at, out, out2;
	const void *text;
	long before;

	run_unprobed(_metadata, self, "wcc");

	text = map_text(self);
	ASSERT_NE(MAP_FAILED, text);
	ASSERT_EQ(0, probe_all(&at, self->text, BACK, 0));
	ASSERT_EQ(0, probe_function(self, &out, "leaf", PROBE_RET));
	ASSERT_EQ(0, probe_function(self, &out2, "whence", PROBE_RET));
	before = debugfs_stat("trampolines");
	ASSERT_TRUE(program_begin(self, self->probed));
	ASSERT_TRUE(tell(self, "wc"));
	EXPECT_EQ(1 + ROUNDS, probe_hits(&at));
	EXPECT_EQ(2 * ROUNDS, probe_hits(&out));
	EXPECT_EQ(1, probe_hits(&out2));
	EXPECT_TRUE(point_has(self, 1, 1 + ROUNDS));

	probe_close(&at);
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_EQ(4 * ROUNDS, probe_hits(&out));
	EXPECT_TRUE(point_has(self, 0, 1 + 2 * ROUNDS));
	program_end(self);
	expect_same(_metadata, self);
	EXPECT_EQ(4 * ROUNDS, counted(self, "leaf"));
	EXPECT_EQ(1, counted(self, "whence"));
	EXPECT_EQ(before, debugfs_stat("trampolines"));

	probe_close(&out);
	probe_close(&out2);
	EXPECT_TRUE(points_go(self));
	munmap((void *)text, sizeof(image));
}

/* A process that has returned there before may do so by the trampoline ever after. */
TEST_F(fuse, where_a_probe_comes)
{
	struct probe at, out;

	run_unprobed(_metadata, self, "ccc");

	ASSERT_EQ(0, probe_function(self, &out, "leaf", PROBE_RET));
	ASSERT_TRUE(program_begin(self, self->probed));
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_EQ(2 * ROUNDS, probe_hits(&out));
	EXPECT_EQ(self->probed->reads[CODE_PAGE] + 1, reads[CODE_PAGE]);
	EXPECT_EQ(self->probed->reads[0], reads[0]);
	/* That reads the file, as the program has it mapped: not counted here. */
	ASSERT_EQ(0, probe_all(&at, self->text, BACK, 0));
	memcpy(self->probed->reads, reads, sizeof(self->probed->reads));
	self->probed->reads[CODE_PAGE]--;
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_EQ(ROUNDS, probe_hits(&at));
	EXPECT_EQ(4 * ROUNDS, probe_hits(&out));
	EXPECT_TRUE(point_has(self, 1, ROUNDS));
	probe_close(&at);
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_EQ(6 * ROUNDS, probe_hits(&out));
	program_end(self);
	expect_same(_metadata, self);
	EXPECT_EQ(6 * ROUNDS, counted(self, "leaf"));
	probe_close(&out);
	EXPECT_TRUE(points_go(self));
}

/* ---- the server is stopped ---- */

static bool hits_come(const struct probe *p, uint64_t n)
{
	double end = seconds_now() + PATIENCE;

	while (probe_hits(p) < n && seconds_now() < end)
		usleep(10000);
	return probe_hits(p) == n;
}

/* Probes come and go, in this process and in the one that waits for its page. */
static int others_go_on(const struct _test_data_fuse *self)
{
	struct probe mine, its;

	if (tally_begin() || probe_addr_all(&mine, leaf, PROBE_RET))
		return 1;
	if (leaf(2) != 7 || probe_hits(&mine) != 1)
		return 2;
	if (probe_function(self, &its, "whence", 0))
		return 3;
	probe_close(&its);
	probe_close(&mine);
	return 0;
}

/* Before the test gives up: its own probes could not go while somebody waits. */
static bool or_let_go(const struct _test_data_fuse *self, bool well)
{
	if (!well)
		kill(self->server, SIGKILL);
	return well;
}

static void expect_others(struct __test_metadata *_metadata, struct _test_data_fuse *self)
{
	pid_t pid = fork();

	if (!pid)
		_exit(others_go_on(self));
	ASSERT_TRUE(or_let_go(self, !status_in_time(pid)));
}

/* Up to where the program has returned to a page that does not come */
static void run_stopped(struct __test_metadata *_metadata, struct _test_data_fuse *self,
			struct run *run, const struct probe *out, uint64_t hits)
{
	struct pollfd p;
	int status;

	ASSERT_TRUE(program_begin(self, run));
	ASSERT_EQ(0, kill(self->server, SIGSTOP));
	ASSERT_EQ(self->server, waitpid(self->server, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_TRUE(or_let_go(self, tell(self, "g")));
	EXPECT_NE(NULL, strstr(run->result.output, "entered\n"));
	if (out)
		EXPECT_TRUE(hits_come(out, hits));
	expect_others(_metadata, self);
	EXPECT_EQ(run->reads[CODE_PAGE], reads[CODE_PAGE]);
	p = (struct pollfd){ self->out, POLLIN };
	EXPECT_EQ(0, poll(&p, 1, 0));
}

static void run_killed(struct __test_metadata *_metadata, struct _test_data_fuse *self,
		       struct run *run, const struct probe *out, uint64_t hits)
{
	run_stopped(_metadata, self, run, out, hits);
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	program_end(self);
	EXPECT_EQ(1000 + SIGKILL, run->result.status);
	EXPECT_EQ(0, run->reads[CODE_PAGE]);
	ASSERT_EQ(0, kill(self->server, SIGCONT));
}

static void run_continued(struct __test_metadata *_metadata, struct _test_data_fuse *self,
			  struct run *run, const struct probe *out, uint64_t hits)
{
	run_stopped(_metadata, self, run, out, hits);
	ASSERT_EQ(0, kill(self->server, SIGCONT));
	ASSERT_TRUE(hear(self));
	program_end(self);
	EXPECT_EQ(0, run->result.status);
	EXPECT_EQ(1, run->reads[CODE_PAGE]);
}

TEST_F(fuse, server_is_stopped)
{
	struct probe out;

	run_killed(_metadata, self, self->plain, NULL, 0);
	ASSERT_EQ(0, probe_function(self, &out, "tells", PROBE_RET));
	run_killed(_metadata, self, self->probed, &out, 1);
	expect_same(_metadata, self);
	probe_close(&out);

	run_continued(_metadata, self, self->plain, NULL, 0);
	ASSERT_EQ(0, probe_function(self, &out, "tells", PROBE_RET));
	run_continued(_metadata, self, self->probed, &out, 1);
	expect_same(_metadata, self);
	EXPECT_EQ(1, counted(self, "tells"));
	probe_close(&out);
	EXPECT_FALSE(any_point(self));
}

static void stop_server(struct __test_metadata *_metadata, struct _test_data_fuse *self)
{
	int status;

	ASSERT_EQ(0, kill(self->server, SIGSTOP));
	ASSERT_EQ(self->server, waitpid(self->server, &status, WUNTRACED));
}

/* It goes to the page that does not come. Whatever it waits for, others do not. */
static void goes_there(struct __test_metadata *_metadata, struct _test_data_fuse *self)
{
	ASSERT_TRUE(or_let_go(self, tell(self, "g")));
	EXPECT_NE(NULL, strstr(self->now->result.output, "entered\n"));
	expect_others(_metadata, self);
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(1000 + SIGKILL, status_in_time(self->pid));
	self->pid = 0;
}

/* Can its mappings be read? Not while somebody has its mmap_lock, and waits. */
static int reads_maps(pid_t pid)
{
	char path[64], buf[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return read_text(path, buf, sizeof(buf)) > 0 ? 0 : 1;
}

/*
 * The page with the breakpoint has gone, and the server does not bring the file's: what
 * looks after the probes of a process does not wait for it.
 */
TEST_F(fuse, page_is_dropped)
{
	struct probe at;
	pid_t pid;

	ASSERT_TRUE(program_begin(self, self->probed));
	ASSERT_TRUE(tell(self, "c"));
	ASSERT_EQ(0, probe_all(&at, self->text, BACK, 0));
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_EQ(ROUNDS, probe_hits(&at));
	/* Who opens it empties the page cache. */
	close(open(self->text, O_RDONLY | O_CLOEXEC));
	stop_server(_metadata, self);
	ASSERT_TRUE(tell(self, "d"));
	usleep(500000);
	pid = fork();
	if (!pid)
		_exit(reads_maps(self->pid));
	ASSERT_TRUE(or_let_go(self, !status_in_time(pid)));
	expect_others(_metadata, self);
	ASSERT_EQ(0, kill(self->server, SIGCONT));

	/* Without it, and with it again when somebody registers a probe. */
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_EQ(ROUNDS, probe_hits(&at));
	probe_close(&at);
	ASSERT_EQ(0, probe_all(&at, self->text, BACK, 0));
	ASSERT_TRUE(tell(self, "c"));
	EXPECT_EQ(ROUNDS, probe_hits(&at));
	probe_close(&at);
	program_end(self);
	EXPECT_EQ(0, self->probed->result.status);
	EXPECT_TRUE(points_go(self));
}

/*
 * When it is told to it registers a probe in the file, of which it has a mapping: so that it
 * can be read when the program has gone.
 */
static void registrant(const struct _test_data_fuse *self, int told)
{
	uint64_t offset = BACK;
	struct bulk b;
	char c;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(self->text, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ||
	    bulk_open(&b) || write(told, "o", 1) != 1 || read(told, &c, 1) != 1)
		_exit(1);
	_exit(bulk_add(&b, fd, &offset, 1) ? 2 : b.errors[0] ? 3 : 0);
}

/* Who registers a probe in the text waits for the server, with locks of the file. */
TEST_F(fuse, somebody_registers)
{
	struct probe out;
	int ends[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, probe_function(self, &out, "tells", PROBE_RET));
	ASSERT_TRUE(program_begin(self, self->probed));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	pid = fork();
	if (!pid)
		registrant(self, ends[1]);
	ASSERT_EQ(1, read(ends[0], &c, 1));
	stop_server(_metadata, self);
	ASSERT_EQ(1, write(ends[0], "g", 1));
	usleep(500000);
	goes_there(_metadata, self);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG))
		TH_LOG("the registration did not wait");
	ASSERT_EQ(0, kill(self->server, SIGCONT));
	EXPECT_EQ(0, status_in_time(pid));
	close(ends[0]);
	close(ends[1]);
	probe_close(&out);
}

/* One of two programs */
struct other_program {
	pid_t pid;
	int in, out;
};

static struct other_program set_aside(struct _test_data_fuse *self)
{
	struct other_program first = { self->pid, self->in, self->out };

	self->pid = 0;
	return first;
}

static void end_other(struct __test_metadata *_metadata, const struct other_program *first)
{
	ASSERT_EQ(0, kill(first->pid, SIGKILL));
	ASSERT_EQ(1000 + SIGKILL, status_in_time(first->pid));
	close(first->in);
	close(first->out);
}

/* A probe of one process is where another one returns to, on a page that it has not seen. */
TEST_F(fuse, somebody_has_a_probe)
{
	struct other_program first;
	struct probe out, at;

	ASSERT_TRUE(program_begin(self, self->plain));
	ASSERT_TRUE(tell(self, "c"));
	ASSERT_EQ(0, probe_task(&at, self->text, BACK, 0, self->pid));
	first = set_aside(self);
	ASSERT_EQ(0, probe_function(self, &out, "tells", PROBE_RET));
	ASSERT_TRUE(program_begin(self, self->probed));
	stop_server(_metadata, self);
	goes_there(_metadata, self);
	ASSERT_EQ(0, kill(self->server, SIGCONT));
	end_other(_metadata, &first);
	probe_close(&out);
	probe_close(&at);
}

/* Where process @pid has mapped the text, or 0 */
static unsigned long text_of(const struct _test_data_fuse *self, pid_t pid)
{
	char path[64], line[512];
	unsigned long at = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	while (f && !at && fgets(line, sizeof(line), f))
		if (strstr(line, self->text))
			sscanf(line, "%lx-", &at);
	if (f)
		fclose(f);
	return at;
}

/* Probes of another file come and go. */
static int other_file(void)
{
	struct codefile file;
	struct probe p;
	uint8_t code[PAGE];

	gen_image(code, PAGE / GEN_SIZE);
	if (codefile_make(&file, code, PAGE) || probe_all(&p, file.path, 0, 0))
		return 1;
	probe_close(&p);
	codefile_drop(&file);
	return 0;
}

/*
 * Who reads the memory of a process holds its mmap_lock until the page comes. The process
 * cannot have a site where it returns to then; it is the only one that waits.
 */
TEST_F(fuse, somebody_reads_its_memory)
{
	struct other_program first, second;
	unsigned long at;
	struct probe out;
	char path[64], c;
	pid_t pid, other;

	ASSERT_EQ(0, probe_function(self, &out, "leaf", PROBE_RET));
	ASSERT_TRUE(program_begin(self, self->probed));
	second = set_aside(self);
	ASSERT_TRUE(program_begin(self, self->plain));
	at = text_of(self, self->pid);
	ASSERT_NE(0, at);
	stop_server(_metadata, self);
	snprintf(path, sizeof(path), "/proc/%d/mem", self->pid);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(pread(open(path, O_RDONLY), &c, 1, at + CODE) != 1);
	}
	usleep(500000);
	ASSERT_EQ(1, write(self->in, "n", 1));
	usleep(500000);
	first = set_aside(self);

	/* The other one comes from there as well, for the first time. */
	self->pid = second.pid;
	self->in = second.in;
	self->out = second.out;
	EXPECT_TRUE(or_let_go(self, tell(self, "n")));
	other = fork();
	if (!other)
		_exit(other_file());
	EXPECT_EQ(0, status_in_time(other));

	EXPECT_EQ(0, kill(self->server, SIGCONT));
	EXPECT_EQ(0, status_in_time(pid));
	self->out = first.out;
	EXPECT_TRUE(hear(self))
		TH_LOG("the one that waited does not go on");
	self->out = second.out;
	end_other(_metadata, &first);
	EXPECT_EQ(2, probe_hits(&out));
	probe_close(&out);
}

int main(int argc, char **argv)
{
	return return_test_main(argc, argv);
}
