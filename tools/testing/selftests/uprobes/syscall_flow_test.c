// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes on the instructions that enter a system call: calls that are cut short
 * and restarted, that come back twice or never, and many at once.
 */
#include "syscall_engine.h"

#include <pthread.h>
#include <sys/time.h>

/* ---- interrupted and restarted ---- */

static void on_usr1(int sig, siginfo_t *info, void *ctx)
{
	note_frame(cur, "in the handler", ctx);
	if (write(sh->fd[1], "!", 1) != 1)
		note(cur, "no write");
}

struct blocked {
	const char *name;
	enum call call;
	int sa_flags;
	bool stop;		/* SIGSTOP and SIGCONT first */
	bool signal;		/* then SIGUSR1; if not, what it waits for */
	int hits;
};

static const struct blocked blocked[] = {
	{ "read, handler", C_READ, 0, false, true, 1 },
	{ "read, handler, restarted", C_READ, SA_RESTART, false, true, 2 },
	{ "read", C_READ, 0, false, false, 1 },
	{ "read, stopped", C_READ, 0, true, false, 2 },
	{ "pause, handler", C_PAUSE, SA_RESTART, false, true, 1 },
	{ "pause, stopped, handler", C_PAUSE, 0, true, true, 2 },
	{ "nanosleep, handler", C_NANOSLEEP, 0, false, true, 1 },
	{ "nanosleep, handler, restarted", C_NANOSLEEP, SA_RESTART, false, true, 1 },
	{ "nanosleep, stopped", C_NANOSLEEP, 0, true, false, 2 },
	{ "nanosleep, stopped, handler", C_NANOSLEEP, 0, true, true, 2 },
};

static const struct blocked *blocked_named(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(blocked); i++)
		if (!strcmp(blocked[i].name, name))
			return &blocked[i];
	return NULL;
}

static void set_time(const struct way *w, void *at, long sec)
{
	if (w->abi == ABI_64) {
		((uint64_t *)at)[0] = sec;
		((uint64_t *)at)[1] = 0;
	} else {
		((uint32_t *)at)[0] = sec;
		((uint32_t *)at)[1] = 0;
	}
}

static void block(const struct way *w, struct record *rec, const struct blocked *b)
{
	/* The sleep that is not cut short must outlive a stop, and end. */
	long sec = b->stop && !b->signal ? 3 : 200;

	on(SIGUSR1, on_usr1, b->sa_flags);
	set_time(w, &sh->words[0], sec);
	set_time(w, &sh->words[2], 0);
	if (b->call == C_READ)
		prepare(w, &own, C_READ, ARGS(sh->fd[0], (unsigned long)sh->buf, 1));
	else
		prepare(w, &own, b->call, ARGS((unsigned long)&sh->words[0],
					       (unsigned long)&sh->words[2]));
	__atomic_store_n(&sh->ready, 1, __ATOMIC_SEQ_CST);
	w->run(&own);
	note_regs(rec, b->name, &own);
	if (b->call == C_READ && own.gpr[AX] == 1)
		note(rec, "read %c", sh->buf[0]);
	if (b->call == C_NANOSLEEP)
		note(rec, "time left: %s", sh->words[2] ? "yes" : "no");
}

/* Until @pid sleeps in a system call; @line: which, as /proc has it */
static bool wait_blocked(pid_t pid, int nr, char *line, size_t size)
{
	char path[64], stat[512], *state;
	double end = seconds_now() + 120;

	while (seconds_now() < end) {
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (read_text(path, stat, sizeof(stat)) <= 0)
			return false;
		state = strrchr(stat, ')');
		snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
		if (__atomic_load_n(&sh->ready, __ATOMIC_SEQ_CST) && state && state[2] == 'S' &&
		    read_text(path, line, size) > 0 && (nr < 0 || atoi(line) == nr) &&
		    line[0] >= '0' && line[0] <= '9') {
			line[strcspn(line, "\n")] = 0;
			return true;
		}
		usleep(5000);
	}
	return false;
}

/* Runs @b in a child; @meanwhile is called while it sleeps in the call. */
static void control(const struct way *w, struct record *rec, const struct blocked *b,
		    void (*meanwhile)(void *arg), void *arg)
{
	char line[LINE];
	int status;
	pid_t pid;

	sh->ready = 0;
	if (!must(rec, !pipe(sh->fd), "no pipe"))
		return;
	for (int i = 0; i < 2; i++)
		sh->fd[i] = move_fd(sh->fd[i], 200 + i);
	pid = spawn();
	if (!pid) {
		block(w, rec, b);
		_exit(0);
	}
	if (!must(rec, wait_blocked(pid, nr_of(w, b->call), line, sizeof(line)),
		  "it does not sleep in the call"))
		goto out;
	note(rec, "it waits in: %s", line);
	if (meanwhile)
		meanwhile(arg);
	if (b->stop) {
		kill(pid, SIGSTOP);
		if (waitpid(pid, &status, WUNTRACED) != pid)
			status = 0;
		if (!must(rec, WIFSTOPPED(status), "%#x, not stopped", status))
			goto out;
		kill(pid, SIGCONT);
		if (!must(rec, wait_blocked(pid, -1, line, sizeof(line)),
			  "it does not sleep again"))
			goto out;
		note(rec, "after the stop it waits in: %s", line);
	}
	if (b->signal)
		kill(pid, SIGUSR1);
	else if (b->call == C_READ)
		must(rec, write(sh->fd[1], "?", 1) == 1, "no write");
	status = child_status(pid);
	must(rec, status == 0, "status %d", status);
	pid = 0;
out:
	if (pid) {
		kill(pid, SIGKILL);
		child_status(pid);
	}
	close(sh->fd[0]);
	close(sh->fd[1]);
}

static void sc_blocked(const struct way *w, struct record *rec, long which)
{
	control(w, rec, &blocked[which], NULL, NULL);
}

/*
 * The kernel restarts by going back two bytes. With a prefix that is the
 * instruction without its first byte, where the probe is.
 */
static bool restarts_at_probe(const struct way *w)
{
	return w->next - w->insn == 2;
}

TEST_F(sys, interrupted)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(blocked); i++)
		twice(_metadata, self->w, sc_blocked, i, blocked[i].name,
		      restarts_at_probe(self->w) ? blocked[i].hits : 1);
}

/* Probes that go, or come, while a thread is in the call */
struct toggle {
	struct __test_metadata *metadata;
	const char *insn;
	struct probe probe;
	uint64_t hits;
	bool ok;
};

static void remove_probe(void *arg)
{
	struct toggle *t = arg;

	t->hits = probe_hits(&t->probe);
	probe_close(&t->probe);
	usleep(300000);		/* what it had is freed some time later */
}

static void add_probe(void *arg)
{
	struct toggle *t = arg;

	t->ok = attach(t->metadata, &t->probe, t->insn);
}

static void toggled(struct __test_metadata *_metadata, const struct way *w, const char *name,
		    bool remove)
{
	struct toggle t = { .metadata = _metadata, .insn = w->insn };
	const struct blocked *b = blocked_named(name);

	ASSERT_NE(NULL, b);
	memset(sh->rec, 0, offsetof(struct record, line));
	memset(&sh->rec[1], 0, offsetof(struct record, line));
	cur_way = w;
	for (int round = 0; round < 2; round++) {
		cur = &sh->rec[round];
		if (round && remove)
			ASSERT_TRUE(attach(_metadata, &t.probe, t.insn));
		control(w, cur, b, !round ? NULL : remove ? remove_probe : add_probe, &t);
	}
	if (remove) {
		EXPECT_EQ(1, t.hits)
			TH_LOG("%s, %s: hits before the probe was removed", w->name, name);
	} else {
		EXPECT_TRUE(t.ok);
		EXPECT_EQ(restarts_at_probe(w), probe_hits(&t.probe))
			TH_LOG("%s, %s: hits after the probe was added", w->name, name);
		probe_close(&t.probe);
	}
	compare(_metadata, name);
}

TEST_F(sys, removed_during_the_call)
{
	toggled(_metadata, self->w, "read", true);
	toggled(_metadata, self->w, "read, stopped", true);
	toggled(_metadata, self->w, "nanosleep, stopped, handler", true);
	toggled(_metadata, self->w, "read, handler, restarted", true);
}

TEST_F(sys, added_during_the_call)
{
	toggled(_metadata, self->w, "read, stopped", false);
	toggled(_metadata, self->w, "nanosleep, stopped, handler", false);
}

/* ---- processes and threads ---- */

/* How the child ended, and what both saw; the parent got a number that differs. */
static void note_family(struct record *rec, long pid, int wanted)
{
	int status = child_status(pid);

	note(rec, "status %d", status);
	must(rec, status == wanted, "status %d", status);
	own.gpr[AX] = 0xf0;
	note_regs(rec, "parent", &own);
	note_regs(rec, "child", &sh->child);
}

static void sc_fork(const struct way *w, struct record *rec, long arg)
{
	long pid = call(w, &own, C_FORK, NULL);

	if (!pid) {
		sh->child = own;
		leave(w, C_EXIT_GROUP, 5);
	}
	if (!must(rec, pid > 0, "fork: %ld", pid))
		return;
	note_family(rec, pid, 5);
}

TEST_F(sys, fork)
{
	twice(_metadata, self->w, sc_fork, 0, "fork and exit_group", 2);
}

/* The arguments of execve in memory that all entries reach: this program. */
static void prepare_exec(const struct way *w, struct sys_regs *r, const char *path)
{
	char *at = sh->strings, *strings[4];
	const char *const words[] = { path, "syscall_test", "--leave", NULL };
	unsigned long argv, envp;

	for (int i = 0; words[i]; i++) {
		strings[i] = at;
		memcpy(at, words[i], strlen(words[i]) + 1);
		at += strlen(at) + 1;
	}
	strings[3] = at;
	at[0] = '0' + (w - ways);
	at[1] = 0;
	memset(sh->words, 0, sizeof(sh->words));
	for (int i = 0; i < 3; i++) {
		if (w->abi == ABI_64)
			sh->words[i] = (unsigned long)strings[i + 1];
		else
			((uint32_t *)sh->words)[i] = (unsigned long)strings[i + 1];
	}
	argv = (unsigned long)&sh->words[0];
	envp = (unsigned long)&sh->words[8];
	prepare(w, r, C_EXECVE, ARGS((unsigned long)strings[0], argv, envp));
}

/* In the parent's memory, below the parent's frame */
static void vfork_child(struct sys_regs *r)
{
	struct sys_regs mine;

	sh->child = *r;
	prepare_exec(cur_way, &mine, "/proc/self/exe");
	cur_way->run(&mine);
	leave(cur_way, C_EXIT_GROUP, 99);
}

static void sc_vfork(const struct way *w, struct record *rec, long arg)
{
	long pid;

	prepare(w, &own, C_VFORK, NULL);
	own.child = vfork_child;
	w->run(&own);
	pid = own.gpr[AX];
	if (!must(rec, pid > 0, "vfork: %ld", pid))
		return;
	note_family(rec, pid, 7);
}

TEST_F(sys, vfork_and_exec)
{
	twice(_metadata, self->w, sc_vfork, 0, "vfork, exec, exit_group", 3);
}

static void *exec_in_thread(void *arg)
{
	struct sys_regs r;

	prepare_exec(arg, &r, "/proc/self/exe");
	((const struct way *)arg)->run(&r);
	_exit(98);
}

static void sc_exec(const struct way *w, struct record *rec, long arg)
{
	pthread_t thread;
	int status;
	pid_t pid;

	prepare_exec(w, &own, "/nowhere");
	w->run(&own);
	must(rec, (int)own.gpr[AX] == -ENOENT, "execve: %#lx", own.gpr[AX]);
	note_regs(rec, "exec of nothing", &own);

	/* By a thread that is not the leader */
	pid = spawn();
	if (!pid) {
		pthread_create(&thread, NULL, exec_in_thread, (void *)w);
		for (;;)
			pause();
	}
	status = child_status(pid);
	note(rec, "status %d", status);
	must(rec, status == 7, "status %d", status);
}

TEST_F(sys, exec)
{
	twice(_metadata, self->w, sc_exec, 0, "exec", 3);
}

/*
 * A thread with a stack of its own and nothing else: no libc, its words for the
 * thread are still the parent's.
 */
static void thread_child(struct sys_regs *r)
{
	static struct sys_regs mine;

	sh->child = *r;
	prepare(cur_way, &mine, C_EXIT, ARGS(0));
	cur_way->run(&mine);
	__builtin_trap();
}

static void sc_thread(const struct way *w, struct record *rec, long arg)
{
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			      CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	unsigned long *top = (unsigned long *)(sh->stack + sizeof(sh->stack) - 256);
	unsigned long tid = (unsigned long)&sh->tid;
	double end = seconds_now() + 60;
	long got;

	/* As far from a multiple of 16 as the parent's stack is there */
	top += 1;
	top[1] = (unsigned long)&sh->thread;
	sh->thread.child = thread_child;
	sh->tid = 1;
	if (w->abi == ABI_64)
		got = call(w, &own, C_CLONE, ARGS(flags, (unsigned long)top, tid, tid));
	else
		got = call(w, &own, C_CLONE, ARGS(flags, (unsigned long)top, tid, 0, tid));
	if (!must(rec, got > 0, "clone: %ld", got))
		return;
	while (__atomic_load_n(&sh->tid, __ATOMIC_SEQ_CST) && seconds_now() < end)
		usleep(1000);
	must(rec, !sh->tid, "the thread does not end");
	own.gpr[AX] = 0xf0;
	note_regs(rec, "creator", &own);
	note_regs(rec, "thread", &sh->child);
	must(rec, sh->child.gpr[SP] == (unsigned long)top, "its stack: %#lx", sh->child.gpr[SP]);
}

TEST_F(sys, thread)
{
	twice(_metadata, self->w, sc_thread, 0, "clone with a stack, exit", 2);
}

/* ---- all at once ---- */

static void on_tick(int sig, siginfo_t *info, void *ctx)
{
	__atomic_add_fetch(&sh->ticks, 1, __ATOMIC_RELAXED);
}

static void *hammer_body(void *arg)
{
	struct hammer *h = arg;
	struct sys_regs r, want;

	/* The first call is without a probe, and says what all are to give. */
	for (bool first = true; first || !__atomic_load_n(&sh->stop, __ATOMIC_SEQ_CST);
	     first = false) {
		prepare(cur_way, &r, C_GETPPID, NULL);
		cur_way->run(&r);
		if (first) {
			want = r;
			__atomic_add_fetch(&sh->ready, 1, __ATOMIC_SEQ_CST);
			while (!__atomic_load_n(&sh->go, __ATOMIC_SEQ_CST))
				usleep(1000);
			continue;
		}
		__atomic_add_fetch(&h->calls, 1, __ATOMIC_RELAXED);
		if (!memcmp(&r, &want, sizeof(r)))
			continue;
		for (unsigned int i = 0; i < SYS_GPRS && !h->wrong; i++)
			if (r.gpr[i] != want.gpr[i])
				snprintf(h->what, LINE, "%s is %#lx, not %#lx", gpr_names[i],
					 r.gpr[i], want.gpr[i]);
		if (!h->wrong && !h->what[0])
			snprintf(h->what, LINE, "flags %#lx, not %#lx; cs %#lx, ss %#lx",
				 r.flags, want.flags, r.cs, r.ss);
		h->wrong++;
	}
	__atomic_sub_fetch(&sh->ready, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static int hammer(void)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	pthread_t threads[MAX_THREADS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	on(SIGALRM, on_tick, SA_RESTART);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < MAX_THREADS; i++)
		if (pthread_create(&threads[i], NULL, hammer_body, &sh->hammer[i]))
			return 1;
	for (int i = 0; i < MAX_THREADS; i++)
		pthread_join(threads[i], NULL);
	/* When nobody probes any more */
	while (!__atomic_load_n(&sh->quiet, __ATOMIC_SEQ_CST))
		usleep(1000);
	return memcmp(cur_way->insn, sh->text, cur_way->next - cur_way->insn) ? 2 : 0;
}

#define ENOUGH_ROUNDS	10
#define ENOUGH_HITS	1000
#define ENOUGH_ATTACKS	3

/* Probes @pid alone, on and off; sh->attacks says how often. */
static int attacker(pid_t pid)
{
	struct probe p;
	struct where w;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!where_is(cur_way->insn, &w))
		return 1;
	for (int rounds = 0; !__atomic_load_n(&sh->stop, __ATOMIC_SEQ_CST); rounds++) {
		if (probe_task(&p, w.path, w.offset, 0, pid))
			return 2;
		usleep(1000 + 700 * (rounds % 5));
		probe_close(&p);
		usleep(500 * (rounds % 3));
		__atomic_add_fetch(&sh->attacks, 1, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static void all_at_once(struct __test_metadata *_metadata, const struct way *w, bool counted)
{
	struct probe fixed = { }, p = { };
	unsigned long calls = 0;
	double begin;
	pid_t victim, other;
	uint64_t hits = 0, counted_hits = 0;
	int rounds = 0;

	cur_way = w;
	sh->ready = 0;
	sh->go = 0;
	sh->stop = 0;
	sh->quiet = 0;
	sh->attacks = 0;
	memset(sh->hammer, 0, sizeof(sh->hammer));
	memcpy(sh->text, w->insn, sizeof(sh->text));
	victim = fork();
	ASSERT_LE(0, victim);
	if (!victim)
		_exit(hammer());
	while (__atomic_load_n(&sh->ready, __ATOMIC_SEQ_CST) < MAX_THREADS)
		usleep(1000);
	if (counted)
		EXPECT_TRUE(attach(_metadata, &fixed, w->insn));
	__atomic_store_n(&sh->go, 1, __ATOMIC_SEQ_CST);
	other = fork();
	ASSERT_LE(0, other);
	if (!other)
		_exit(attacker(victim));

	begin = seconds_now();
	while ((rounds < ENOUGH_ROUNDS || hits < ENOUGH_HITS ||
		__atomic_load_n(&sh->attacks, __ATOMIC_SEQ_CST) < ENOUGH_ATTACKS) &&
	       seconds_now() < begin + 200) {
		int err = probe_addr_all(&p, w->insn, 0);

		EXPECT_EQ(0, err);
		if (err)
			break;
		usleep(500 + 900 * (rounds % 7));
		hits += probe_hits(&p);
		probe_close(&p);
		usleep(300 * (rounds % 5));
		rounds++;
	}
	EXPECT_LE(ENOUGH_ATTACKS, __atomic_load_n(&sh->attacks, __ATOMIC_SEQ_CST));
	__atomic_store_n(&sh->stop, 1, __ATOMIC_SEQ_CST);
	EXPECT_EQ(0, child_status(other));
	while (__atomic_load_n(&sh->ready, __ATOMIC_SEQ_CST) && seconds_now() < begin + 300)
		usleep(1000);
	EXPECT_EQ(0, sh->ready);
	if (counted) {
		counted_hits = probe_hits(&fixed);
		probe_close(&fixed);
	}
	__atomic_store_n(&sh->quiet, 1, __ATOMIC_SEQ_CST);
	EXPECT_EQ(0, child_status(victim));
	for (int i = 0; i < MAX_THREADS; i++) {
		calls += sh->hammer[i].calls;
		EXPECT_EQ(0, sh->hammer[i].wrong)
			TH_LOG("%s, thread %d: %s", w->name, i, sh->hammer[i].what);
	}
	EXPECT_LT(100, calls);
	EXPECT_LE(ENOUGH_ROUNDS, rounds);
	EXPECT_LE(ENOUGH_HITS, hits);
	if (counted)
		EXPECT_EQ(calls, counted_hits);
	TH_LOG("%s: %lu calls, %d rounds, %llu hits in them, %lu signals", w->name, calls, rounds,
	       (unsigned long long)hits, sh->ticks);
	EXPECT_EQ(0, memcmp(w->insn, sh->text, w->next - w->insn));
}

/* The breakpoint itself comes and goes. */
TEST_F(sys, planted_and_removed)
{
	all_at_once(_metadata, self->w, false);
}

/* It stays, and each call is a hit. */
TEST_F(sys, others_come_and_go)
{
	all_at_once(_metadata, self->w, true);
}

int main(int argc, char **argv)
{
	/* What scenarios execute */
	if (argc == 3 && !strcmp(argv[1], "--leave") &&
	    (unsigned int)(argv[2][0] - '0') < ARRAY_SIZE(ways))
		leave(&ways[argv[2][0] - '0'], C_EXIT_GROUP, 7);
	return uprobes_test_main(argc, argv);
}
