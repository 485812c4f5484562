// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a hit costs: loops over one instruction each, without and with a probe
 * with an empty handler on it (modules/uprobe_bench.ko). Prints a line per
 * instruction, "name cost", in nanoseconds. Under qemu -icount shift=0 a
 * nanosecond is one guest instruction and the numbers are the same each time.
 *
 *	bench [-n HITS] [-m uprobe_bench.ko] [name...]
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

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
static int module_fd;
static char self[512];

static bool cpu_has(const char *what)
{
	if (!what)
		return true;
	return strcmp(what, "avx2") ? __builtin_cpu_supports("avx") :
				      __builtin_cpu_supports("avx2");
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
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

/* Where an address of this static program lies in its file. */
static long offset_of(const char *at)
{
	unsigned long start, end, offset;
	char line[512];
	long found = -1;
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && found < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
		    start <= (unsigned long)at && (unsigned long)at < end)
			found = (unsigned long)at - start + offset;
	if (f)
		fclose(f);
	return found;
}

static int load(const struct row *row)
{
	char args[1024];

	snprintf(args, sizeof(args), "path=%s offsets=%ld ret=%d", self, offset_of(row->at),
		 row->ret);
	return syscall(SYS_finit_module, module_fd, args, 0) ? -errno : 0;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "uprobe_bench", 0);
}

static double per_hit(uint64_t with, uint64_t without)
{
	return ((double)with - (double)without) / hits;
}

static int bench_row(const struct row *row)
{
	uint64_t without, with;
	int err;

	if (!cpu_has(row->cpu)) {
		printf("%s - (no %s)\n", row->name, row->cpu);
		return 0;
	}
	without = measure(row->run);
	err = load(row);
	if (err == -EOPNOTSUPP) {
		printf("%s - (refused)\n", row->name);
		return 0;
	}
	if (err) {
		fprintf(stderr, "bench: %s: loading uprobe_bench.ko: %s\n", row->name,
			strerror(-err));
		return 1;
	}
	with = measure(row->run);
	if (unload()) {
		perror("bench: unloading uprobe_bench");
		return 1;
	}
	printf("%s %.0f\n", row->name, per_hit(with, without));
	fflush(stdout);
	return 0;
}

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	char ko[600] = "", dir[512];
	int opt, bad = 0;

	while ((opt = getopt(argc, argv, "n:m:")) != -1) {
		if (opt == 'n')
			hits = strtoul(optarg, NULL, 0);
		else if (opt == 'm')
			snprintf(ko, sizeof(ko), "%s", optarg);
		else
			return 2;
	}
	if (!hits || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	snprintf(dir, sizeof(dir), "%s", self);
	dirname(dir);
	if (!*ko) {
		snprintf(ko, sizeof(ko), "%s/uprobe_bench.ko", dir);
		if (access(ko, R_OK))
			snprintf(ko, sizeof(ko), "%s/../modules/uprobe_bench.ko", dir);
	}
	module_fd = open(ko, O_RDONLY | O_CLOEXEC);
	if (module_fd < 0) {
		fprintf(stderr, "bench: %s: %s\n", ko, strerror(errno));
		return 2;
	}
	unload();

	if (wanted("getppid", argv + optind))
		printf("getppid %.0f\n", per_hit(measure(run_getppid), measure(run_nothing)));
	for (unsigned int i = 0; i < ARRAY_SIZE(rows) && !bad; i++)
		if (wanted(rows[i].name, argv + optind))
			bad = bench_row(&rows[i]);
	return bad;
}
