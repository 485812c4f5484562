// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hit costs: loops over one instruction each, without and with a probe
 * on it. "hit/INSTRUCTION": the probe is the module's, with an empty handler.
 * "front/CLIENT/INSTRUCTION": it is made through one of the interfaces above.
 *
 *	bench [-n HITS] [-F] [instruction...]
 *
 * -F leaves out the clients. -e INSTRUCTION: no measuring; says "hitting it" and
 * executes that one until it is killed, for those who watch it from outside.
 */
#include "bench.h"

/*
 * ROW defines a function that executes the instructions in @body @n times, of
 * which the one at the label at_NAME is probed. r12 counts.
 */
#define ROW(name, body)							\
	void run_##name(unsigned long n);				\
	extern const char at_##name[];					\
	asm("	.text\n"						\
	    "	.balign	64\n"						\
	    "run_" #name ":\n"						\
	    "	push	%rbp\n"						\
	    "	push	%r12\n"						\
	    "	sub	$64, %rsp\n"					\
	    "	mov	%rdi, %r12\n"					\
	    "1:\n"							\
	    body "\n"							\
	    "	dec	%r12\n"						\
	    "	jnz	1b\n"						\
	    "	add	$64, %rsp\n"					\
	    "	pop	%r12\n"						\
	    "	pop	%rbp\n"						\
	    "	ret\n")

asm("	.data\n"
	"	.balign	32\n"
	"bench_data: .quad 1, 2, 3, 4\n"
	"	.text\n"
	"bench_leaf:	ret\n"
	"at_ret_leaf:	ret\n"
	"at_ret_nop:	nop\n"
	"		ret\n"
	"at_ret_push:	push	%rbp\n"
	"		pop	%rbp\n"
	"		ret\n"
	"at_ret_step:	imul	$3, %edx, %edx\n"
	"		ret\n");

extern const char at_ret_leaf[], at_ret_nop[], at_ret_push[], at_ret_step[];

ROW(nop,	"at_nop: nop");
ROW(nop5,	"at_nop5: nopl 8(%rax,%rax,1)");
ROW(endbr64,	"at_endbr64: endbr64");
ROW(push,	"at_push: push %rbp\n	pop %rbp");
ROW(pop,	"push %rbp\n	at_pop: pop %rbp");
ROW(call,	"at_call: call bench_leaf");
ROW(ret,	"at_ret: call at_ret_leaf");
ROW(jmp,	"at_jmp: jmp 2f\n2:");
ROW(jcc,	"at_jcc: jnz 2f\n2:");
ROW(mov_reg,	"at_mov_reg: mov %rsp, %rbp");
ROW(mov_imm,	"at_mov_imm: mov $5, %eax");
ROW(mov_load,	"at_mov_load: mov 8(%rsp), %rax");
ROW(mov_store,	"at_mov_store: mov %rax, 8(%rsp)");
ROW(lea,	"at_lea: lea 8(%rsp), %rax");
ROW(lea_rip,	"at_lea_rip: lea bench_data(%rip), %rax");
ROW(sub,	"at_sub: sub $8, %rax");
ROW(sub_rsp,	"at_sub_rsp: sub $8, %rsp\n	add $8, %rsp");
ROW(cmp,	"at_cmp: cmp %rax, %rcx");
ROW(cmp_mem,	"at_cmp_mem: cmpl $0, 8(%rsp)");
ROW(test,	"at_test: test %eax, %eax");
ROW(shl,	"at_shl: shl $3, %eax");
ROW(imul,	"at_imul: imul $3, %eax, %eax");
ROW(lock_add,	"at_lock_add: lock addq $1, 8(%rsp)");
ROW(movaps,	"at_movaps: movaps %xmm0, %xmm1");
ROW(movups_mem,	"at_movups_mem: movups 8(%rsp), %xmm1");
ROW(addsd,	"at_addsd: addsd %xmm0, %xmm1");
ROW(vmovdqa,	"at_vmovdqa: vmovdqa %ymm0, %ymm1");
ROW(vpaddd,	"at_vpaddd: vpaddd %ymm0, %ymm1, %ymm2");
ROW(rip_load,	"at_rip_load: mov bench_data(%rip), %rax");
ROW(rip_store,	"at_rip_store: mov %rax, bench_data+8(%rip)");
ROW(rip_add,	"at_rip_add: add bench_data(%rip), %rax");
ROW(rip_imul,	"at_rip_imul: imul $3, bench_data(%rip), %eax");
ROW(rip_cmp,	"at_rip_cmp: cmpl $0, bench_data(%rip)");
ROW(rip_sse,	"at_rip_sse: movaps bench_data(%rip), %xmm0");
ROW(r_nop,	"at_r_nop: call at_ret_nop");
ROW(r_push,	"at_r_push: call at_ret_push");
ROW(r_step,	"at_r_step: call at_ret_step");

#define ENTRY(name)		{ #name, run_##name, at_##name, false, NULL }
#define NEEDS(name, cpu)	{ #name, run_##name, at_##name, false, cpu }

static const struct row {
	const char *name;
	void (*run)(unsigned long n);
	const char *at;
	bool ret;
	const char *cpu;
} rows[] = {
	ENTRY(nop), ENTRY(nop5), ENTRY(endbr64), ENTRY(push), ENTRY(pop), ENTRY(call),
	{ "ret", run_ret, at_ret_leaf },
	ENTRY(jmp), ENTRY(jcc), ENTRY(mov_reg), ENTRY(mov_imm), ENTRY(mov_load),
	ENTRY(mov_store), ENTRY(lea), ENTRY(lea_rip), ENTRY(sub), ENTRY(sub_rsp), ENTRY(cmp),
	ENTRY(cmp_mem), ENTRY(test), ENTRY(shl), ENTRY(imul), ENTRY(lock_add), ENTRY(movaps),
	ENTRY(movups_mem), ENTRY(addsd), NEEDS(vmovdqa, "avx"), NEEDS(vpaddd, "avx2"),
	ENTRY(rip_load), ENTRY(rip_store), ENTRY(rip_add), ENTRY(rip_imul), ENTRY(rip_cmp),
	ENTRY(rip_sse),
	{ "uretprobe_nop", run_r_nop, at_ret_nop, true },
	{ "uretprobe_push", run_r_push, at_ret_push, true },
	{ "uretprobe_step", run_r_step, at_ret_step, true },
};

static unsigned long hits = 2000;
static char self[512];

static bool cpu_has(const char *what)
{
	if (!what)
		return true;
	return strcmp(what, "avx2") ? __builtin_cpu_supports("avx") :
				      __builtin_cpu_supports("avx2");
}

/* The best of three, after a first round that warms up what can be cold. */
static uint64_t measure(void (*run)(unsigned long n))
{
	uint64_t best = ~0ULL, start, took;

	run(64);
	for (int i = 0; i < 3; i++) {
		start = now();
		run(hits);
		took = now() - start;
		if (took < best)
			best = took;
	}
	return best;
}

static void run_getppid(unsigned long n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void run_nothing(unsigned long n)
{
	while (n--)
		asm volatile("");
}

static uint64_t offset_of(const struct row *row)
{
	struct where w;

	if (!where_is(row->at, &w))
		die("%s: not in a file", row->name);
	return w.offset;
}

/* ---- who probes: on and off, each returns 0 or -errno ---- */

static int event_fd = -1, program_fd = -1;

static int module_on(const struct row *row)
{
	return bench_load("path=%s offsets=%llu ret=%d", self,
			  (unsigned long long)offset_of(row), row->ret);
}

static void module_off(void)
{
	bench_unload();
}

static int tracefs_on(const struct row *row)
{
	int err = trace_add("%c:uprobes/bench %s:%#llx", row->ret ? 'r' : 'p', self,
			    (unsigned long long)offset_of(row));

	return err ?: trace_enable("bench", 1);
}

static void tracefs_off(void)
{
	if (trace_enable("bench", 0) || trace_del("bench"))
		die("taking out the event: %s", strerror(errno));
}

static int perf_on(const struct row *row)
{
	event_fd = probe_open(self, offset_of(row), row->ret ? PROBE_RET : 0, 0, 0, -1);
	return event_fd < 0 ? event_fd : 0;
}

static void perf_off(void)
{
	close(event_fd);
}

static int bpf_perf_on(const struct row *row)
{
	int err = perf_on(row);

	if (err)
		return err;
	program_fd = bpf_empty_program(0);
	if (program_fd < 0)
		return program_fd;
	return ioctl(event_fd, PERF_EVENT_IOC_SET_BPF, program_fd) ? -errno : 0;
}

static void bpf_perf_off(void)
{
	close(event_fd);
	close(program_fd);
}

static int bpf_multi_on(const struct row *row)
{
	uint64_t offset = offset_of(row);

	program_fd = bpf_empty_program(UPROBE_MULTI);
	if (program_fd < 0)
		return program_fd;
	event_fd = bpf_multi_link(program_fd, self, &offset, 1, row->ret);
	return event_fd < 0 ? event_fd : 0;
}

static const struct client {
	const char *name;
	int (*on)(const struct row *row);
	void (*off)(void);
} module = { NULL, module_on, module_off }, clients[] = {
	{ "tracefs", tracefs_on, tracefs_off },
	{ "perf-count", perf_on, perf_off },
	{ "bpf-perf", bpf_perf_on, bpf_perf_off },
	{ "bpf-multi", bpf_multi_on, bpf_perf_off },
};

/* ---- */

static const char * const for_clients[] = { "nop", "mov_load", "rip_imul", "uretprobe_nop" };

static void bench_row(const struct row *row, const struct client *c)
{
	uint64_t without, with;
	char key[64];
	int err;

	if (c->name)
		snprintf(key, sizeof(key), "front/%s/%s", c->name, row->name);
	else
		snprintf(key, sizeof(key), "hit/%s", row->name);
	if (!cpu_has(row->cpu)) {
		printf("%s\t-\tno %s\n", key, row->cpu);
		return;
	}
	without = measure(row->run);
	err = c->on(row);
	if (err == -EOPNOTSUPP || err == -KERNEL_ENOTSUPP) {
		printf("%s\t-\trefused\n", key);
		return;
	}
	if (err)
		die("%s: %s", key, strerror(-err));
	with = measure(row->run);
	c->off();
	/* What it returned to is taken out behind the back of who asked for it. */
	usleep(300000);
	result(((double)with - without) / hits, "instructions", "%s", key);
}

static const struct row *row_of(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	die("%s: not in the list", name);
}

static void endless(const struct row *row)
{
	int err = module_on(row);

	if (err)
		die("%s: %s", row->name, strerror(-err));
	row->run(64);
	printf("hitting it\n");
	fflush(stdout);
	for (;;)
		row->run(1000000);
}

int main(int argc, char **argv)
{
	bool fronts = true;
	int opt;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die("no /proc");
	while ((opt = getopt(argc, argv, "n:Fe:")) != -1) {
		if (opt == 'n')
			hits = strtoul(optarg, NULL, 0);
		else if (opt == 'F')
			fronts = false;
		else if (opt == 'e')
			endless(row_of(optarg));
		else
			return 2;
	}
	if (!hits)
		return 2;

	if (wanted("getppid", argv + optind))
		result(((double)measure(run_getppid) - measure(run_nothing)) / hits,
		       "instructions", "hit/getppid");
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		if (wanted(rows[i].name, argv + optind))
			bench_row(&rows[i], &module);
	for (unsigned int c = 0; fronts && c < ARRAY_SIZE(clients); c++)
		for (unsigned int i = 0; i < ARRAY_SIZE(for_clients); i++)
			bench_row(row_of(for_clients[i]), &clients[c]);
	return 0;
}
