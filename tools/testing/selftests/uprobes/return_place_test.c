// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where functions return to: every kind of instruction, other probes, and
 * places that no call leads to. What a function finds as its return address is
 * the true one.
 */
#include "return_functions.h"

#include <setjmp.h>
#include <ucontext.h>
#include <unwind.h>

#ifdef __x86_64__
#define AX	"%rax"
#define CX	"%rcx"
#define SP	"%rsp"
#define DOWN	"	sub	$8, %rsp\n"
#define UP	"	add	$8, %rsp\n"
#define ONE	"place_one(%rip)"
#define YIELD	"24"
#define ENTER	"syscall"
#define SUFFIX	"q"
#else
#define AX	"%eax"
#define CX	"%ecx"
#define SP	"%esp"
#define DOWN	"	push	4(%esp)\n"
#define UP	"	add	$4, %esp\n"
#define ONE	"place_one"
#define YIELD	"158"
#define ENTER	"int	$0x80"
#define SUFFIX	"l"
#endif

#define ROUNDS	10

long place_one = 1;

/* ---- each kind of instruction ---- */

/* Calls @callee, which returns to @insns. That place is NAME_back. */
#define PLACE_OF(name, callee, insns)			\
	long name(long x);				\
	extern const char name ## _back[];		\
	asm("	.text\n"				\
	    "	.globl	" #name ", " #name "_back\n"	\
	    "	.type	" #name ", @function\n"		\
	    #name ":\n"					\
	    DOWN					\
	    "	call	" callee "\n"			\
	    #name "_back:\n"				\
	    "	" insns "\n"				\
	    UP						\
	    "	ret\n"					\
	    "	.size	" #name ", . - " #name "\n")

#define PLACE(name, insns)	PLACE_OF(name, "leaf", insns)

PLACE(place_nop, "nop");
PLACE(place_pause, "pause");
PLACE(place_push, "push " AX "; pop " CX);
PLACE(place_lea, "lea 3(" AX "), " AX);
PLACE(place_move, "mov " AX ", " CX "; inc " CX);
PLACE(place_load, "mov " ONE ", " CX "; add " CX ", " AX);
PLACE(place_compute, "add " ONE ", " AX);
PLACE(place_lock, "lock inc" SUFFIX " " ONE "; dec" SUFFIX " " ONE);
PLACE(place_imul, "imul $3, " AX ", " AX);
PLACE(place_jump, "jmp 1f; ud2; 1:");
PLACE(place_branch, "jnz 1f; nop; 1:");
PLACE(place_loop, "mov $3, %ecx; 1: loop 1b");
PLACE(place_flags, "pushf; pop " CX "; and $0x100, %ecx; add " CX ", " AX);
PLACE(place_string, "rep; nop; cld; xor %ecx, %ecx");
PLACE(place_call, "call leaf_again");
PLACE(place_adjust, "sub $64, " SP "; add $64, " SP);
PLACE(place_again, "mov $2, %ecx; 1: dec %ecx; jnz 1b");
PLACE_OF(place_syscall, "yield_number", ENTER "; add $7, " AX);

asm("	.text\n"
	"	.type	yield_number, @function\n"
	"yield_number:\n"
	"	mov	$" YIELD ", %eax\n"
	"	ret\n"
	"	.type	leaf_again, @function\n"
	"leaf_again:\n"
	"	add	$11, " AX "\n"
	"	ret\n");

/* The return address is that of a ret. */
long place_ret(long x);
extern const char place_ret_back[];
asm("	.text\n"
	"	.type	place_ret, @function\n"
	"place_ret:\n"
#ifndef __x86_64__
	"	push	4(%esp)\n"
	"	call	leaf_pops\n"
#else
	"	call	leaf_pops\n"
#endif
	"place_ret_back:\n"
	"	ret\n"
	"	.type	leaf_pops, @function\n"
	"leaf_pops:\n"
#ifdef __x86_64__
	"	lea	9(%rdi), %rax\n"
	"	ret\n"
#else
	"	mov	4(%esp), %eax\n"
	"	add	$9, %eax\n"
	"	ret	$4\n"
#endif
	);

static const struct {
	const char *name;
	long (*run)(long x);
	const char *back;
} places[] = {
#define ENTRY(name)	{ #name, name, name ## _back }
	ENTRY(place_nop), ENTRY(place_pause), ENTRY(place_push), ENTRY(place_lea),
	ENTRY(place_move), ENTRY(place_load), ENTRY(place_compute), ENTRY(place_lock),
	ENTRY(place_imul), ENTRY(place_jump), ENTRY(place_branch), ENTRY(place_loop),
	ENTRY(place_flags), ENTRY(place_string), ENTRY(place_call), ENTRY(place_adjust),
	ENTRY(place_again), ENTRY(place_syscall), ENTRY(place_ret),
};

SCENARIO(every_kind)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		long sum = 0;

		for (long k = 0; k < ROUNDS; k++)
			sum += places[i].run(k);
		printf("%s: %ld\n", places[i].name, sum);
	}
#define COUNT(name)	RETURNED(name, ROUNDS)
	COUNT(place_nop); COUNT(place_pause); COUNT(place_push); COUNT(place_lea);
	COUNT(place_move); COUNT(place_load); COUNT(place_compute); COUNT(place_lock);
	COUNT(place_imul); COUNT(place_jump); COUNT(place_branch); COUNT(place_loop);
	COUNT(place_flags); COUNT(place_string); COUNT(place_call); COUNT(place_adjust);
	COUNT(place_again); COUNT(place_syscall); COUNT(place_ret);
	COUNT(leaf_again); COUNT(yield_number); COUNT(leaf_pops);
	return 0;
}

/* ---- probes at the same places ---- */

struct backs {
	uint64_t offsets[ARRAY_SIZE(places)];
	struct bulk probes;
};

static void plant_backs(struct __test_metadata *_metadata, const struct program *p,
			struct backs *b)
{
	struct where w;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		ASSERT_TRUE(where_is(places[i].back, &w));
		b->offsets[i] = w.offset;
	}
	ASSERT_EQ(0, bulk_open(&b->probes));
	ASSERT_EQ(0, bulk_add(&b->probes, p->files[0].fd, b->offsets, ARRAY_SIZE(places)));
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(0, b->probes.errors[i])
			TH_LOG("%s", places[i].name);
	}
}

static void check_backs(struct __test_metadata *_metadata, struct backs *b)
{
	ASSERT_EQ(0, bulk_hits(&b->probes));
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		EXPECT_EQ(ROUNDS, b->probes.counts[i])
			TH_LOG("%s", places[i].name);
	}
}

static void drop_backs(struct backs *b)
{
	bulk_close(&b->probes);
	bulk_free(&b->probes);
}

FIXTURE(same_place) {
	struct program p;
	struct functions *f;
	struct result *plain, *probed;
	struct tallies tallies;
	char path[64];
};

FIXTURE_SETUP(same_place)
{
	ASSERT_EQ(0, scenario_program(&self->p, self->path, sizeof(self->path), "every_kind"));
	self->f = &self->p.files[0];
	self->plain = calloc(2, sizeof(*self->plain));
	ASSERT_NE(NULL, self->plain);
	self->probed = self->plain + 1;
	run_program(&self->p, self->plain);
	take_tallies(self->plain, &self->tallies);
}

FIXTURE_TEARDOWN(same_place)
{
	scenario_drop(&self->p);
	free(self->plain);
}

static void run_probed(struct __test_metadata *_metadata, struct _test_data_same_place *self)
{
	run_program(&self->p, self->probed);
	take_tallies(self->probed, &self->tallies);
	EXPECT_TRUE(same_result(self->plain, self->probed)) {
		print_result("plain", self->plain);
		print_result("probed", self->probed);
	}
}

TEST_F(same_place, probe_first)
{
	struct backs b;

	plant_backs(_metadata, &self->p, &b);
	ASSERT_EQ(0, functions_probe(self->f, PROBE_RETURNS));
	run_probed(_metadata, self);
	EXPECT_EQ(0, check_tallies(self->f, &self->tallies, true));
	check_backs(_metadata, &b);
	/* The probe stays where the return was. */
	functions_unprobe(self->f, PROBE_RETURNS);
	drop_backs(&b);
	plant_backs(_metadata, &self->p, &b);
	run_probed(_metadata, self);
	check_backs(_metadata, &b);
	drop_backs(&b);
	run_probed(_metadata, self);
}

TEST_F(same_place, return_first)
{
	struct backs b;

	ASSERT_EQ(0, functions_probe(self->f, PROBE_RETURNS));
	run_probed(_metadata, self);
	EXPECT_EQ(0, check_tallies(self->f, &self->tallies, true));
	functions_unprobe(self->f, PROBE_RETURNS);

	ASSERT_EQ(0, functions_probe(self->f, PROBE_RETURNS));
	plant_backs(_metadata, &self->p, &b);
	drop_backs(&b);
	run_probed(_metadata, self);
	EXPECT_EQ(0, check_tallies(self->f, &self->tallies, true));
	functions_unprobe(self->f, PROBE_RETURNS);

	plant_backs(_metadata, &self->p, &b);
	run_probed(_metadata, self);
	check_backs(_metadata, &b);
	drop_backs(&b);
}

/* ---- what begins where a call ends ---- */

static jmp_buf out;

__attribute__((used)) void jump_out(void)
{
	longjmp(out, 1);
}

/* never_back() does not return: behind its call another function begins. */
long never_back(long x), begins_there(long x), falls_into(long x), fallen_into(long x);
asm("	.text\n"
	"	.type	never_back, @function\n"
	"	.type	begins_there, @function\n"
	"	.type	falls_into, @function\n"
	"	.type	fallen_into, @function\n"
	"	.type	fall_nothing, @function\n"
	"never_back:\n"
	DOWN
	"	call	jump_out\n"
	"begins_there:\n"
#ifdef __x86_64__
	"	lea	4(%rdi), %rax\n"
#else
	"	mov	4(%esp), %eax\n"
	"	add	$4, %eax\n"
#endif
	"	ret\n"
	"falls_into:\n"
	"	call	fall_nothing\n"
	"fallen_into:\n"
	"	mov	$6, %eax\n"
	"	ret\n"
	"fall_nothing:\n"
	"	nop\n"
	"	ret\n");

SCENARIO(a_function_behind_the_call)
{
	volatile long sum = 0;

	for (volatile long i = 0; i < 50; i++) {
		if (setjmp(out))
			sum += begins_there(i);
		else
			sum += never_back(i);
		RETURNED(begins_there, 1);
		i++;
		sum += falls_into(i) + fallen_into(i);
		RETURNED(falls_into, 1);
		RETURNED(fall_nothing, 1);
		RETURNED(fallen_into, 2);
	}
	printf("%ld\n", sum);
	return 0;
}

/* ---- what a function sees of its caller ---- */

static PROBED long own_return(long x)
{
	/* The program is not position independent: an address is a fact. */
	printf("%ld returns to %p\n", x, __builtin_return_address(0));
	RETURNS(own_return);
	return x;
}

static int max_frames = 40;

static _Unwind_Reason_Code print_frame(struct _Unwind_Context *c, void *arg)
{
	int *n = arg;

	printf("frame %d: %#lx\n", (*n)++, (unsigned long)_Unwind_GetIP(c));
	return *n < max_frames ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static PROBED long unwinds(long depth)
{
	long x = depth;
	int n = 0;

	if (depth)
		x += unwinds(depth - 1);
	else
		_Unwind_Backtrace(print_frame, &n);
	RETURNS(unwinds);
	return x;
}

static PROBED void unwinds_signal(int sig)
{
	long depth = 2 + (sig == SIGUSR2);

	/* In 32 bit it returns into the vdso, where no site can be: not so far. */
	if (sizeof(long) == 4)
		max_frames = depth + 2;
	unwinds(depth);
	max_frames = 40;
	RETURNS(unwinds_signal);
}

static PROBED long raises(long depth)
{
	long x = depth ? raises(depth - 1) : raise(SIGUSR1);

	RETURNS(raises);
	return x;
}

SCENARIO(true_return_addresses)
{
	long sum = 0;

	for (long i = 0; i < 5; i++)
		sum += own_return(i);
	sum += unwinds(0) + unwinds(10);
	signal(SIGUSR1, unwinds_signal);
	signal(SIGUSR2, unwinds_signal);
	sum += raises(4) + raise(SIGUSR2);
	printf("%ld\n", sum);
	return 0;
}

/* ---- return addresses that no call made, and instructions nobody probes ---- */

/* No call is before the address that it returns to, or nothing that can be probed at it. */
PROBED long unseen(long x);
PROBED long unseen(long x)
{
	MAY_RETURN(unseen, 1);
	return x + 1;
}

long pushed_return(long x), rewrites_return(long x);
asm("	.text\n"
	"	.type	pushed_return, @function\n"
	"	.type	rewrites_return, @function\n"
	"	.type	rewriter, @function\n"
	"pushed_return:\n"
#ifdef __x86_64__
	"	lea	1f(%rip), %rax\n"
	"	push	%rax\n"
	"	jmp	unseen\n"
	"	ud2\n"
	"1:	ret\n"
	"rewrites_return:\n"
	"	lea	1f(%rip), %rax\n"
	"	call	rewriter\n"
	"	ud2\n"
	"1:	lea	8(%rdi), %rax\n"
	"	ret\n"
	"rewriter:\n"
	"	mov	%rax, (%rsp)\n"
	"	ret\n"
#else
	"	push	4(%esp)\n"
	"	push	$1f\n"
	"	jmp	unseen\n"
	"	ud2\n"
	"1:	add	$4, %esp\n"
	"	ret\n"
	"rewrites_return:\n"
	"	mov	$1f, %eax\n"
	"	call	rewriter\n"
	"	ud2\n"
	"1:	mov	4(%esp), %eax\n"
	"	add	$8, %eax\n"
	"	ret\n"
	"rewriter:\n"
	"	mov	%eax, (%esp)\n"
	"	ret\n"
#endif
	);

SCENARIO(not_where_a_call_ends)
{
	long sum = 0;

	for (long i = 0; i < 30; i++) {
		sum += pushed_return(i);
		RETURNED(pushed_return, 1);
		sum += rewrites_return(i);
		RETURNED(rewrites_return, 1);
		MAY_RETURN(rewriter, 1);
	}
	printf("%ld\n", sum);
	return 0;
}

PLACE_OF(place_int3, "unseen", "int3");
PLACE_OF(place_ud2, "unseen", "ud2");

static volatile int trapped;

static PROBED void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
#ifdef __x86_64__
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];
#else
	greg_t *ip = &uc->uc_mcontext.gregs[REG_EIP];
#endif
	(void)info;
	if (sig == SIGILL)
		*ip += 2;
	trapped++;
	RETURNS(on_trap);
}

SCENARIO(instructions_that_trap)
{
	struct sigaction sa = {
		.sa_sigaction = on_trap,
		.sa_flags = SA_SIGINFO,
	};
	long sum = 0;

	sigaction(SIGTRAP, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	for (long i = 0; i < 20; i++) {
		sum += place_int3(i);
		RETURNED(place_int3, 1);
		sum += place_ud2(i);
		RETURNED(place_ud2, 1);
	}
	printf("%ld, %d traps\n", sum, trapped);
	return 0;
}

/* ---- what is named a function and is none ---- */

static ucontext_t home, other;

static void in_context(void)
{
	printf("in a context %ld\n", leaf(1));
}

static void on_usr1(int sig)
{
	printf("signal %d\n", sig == SIGUSR1);
}

static int entered_without_a_call(void)
{
	static uint8_t stack[65536];

	printf("%d arguments\n", program_argc);
	signal(SIGUSR1, on_usr1);
	for (int i = 0; i < 5; i++) {
		getcontext(&other);
		other.uc_stack.ss_sp = stack;
		other.uc_stack.ss_size = sizeof(stack);
		other.uc_link = &home;
		makecontext(&other, in_context, 0);
		swapcontext(&home, &other);
		raise(SIGUSR1);
	}
	return 0;
}

static const struct scenario entered_scenario __attribute__((used, section("scenarios"))) = {
	"entered_without_a_call", entered_without_a_call
};

/*
 * A program that returns to ever more places: it has its share of return points, and
 * what is beyond goes by the trampoline. All of it is reported.
 */
#define SHARE		16384
#define CALLERS		(SHARE + 500)
#define CALLER_SIZE	8
#define FIRST_CALLER	64

static bool callers_make(struct codefile *file)
{
	size_t size = FIRST_CALLER + CALLERS * CALLER_SIZE;
	uint8_t *image = malloc(size), *at;
	int32_t rel;
	bool made;

	if (!image)
		return false;
	memset(image, 0xcc, size);
	image[0] = 0x90;				/* the function: nop, ret */
	image[1] = 0xc3;
	for (int i = 0; i < CALLERS; i++) {
		at = image + FIRST_CALLER + i * CALLER_SIZE;
		rel = image - (at + 5);
		at[0] = 0xe8;				/* call */
		memcpy(at + 1, &rel, sizeof(rel));
		at[5] = 0xc3;
	}
	made = !codefile_make(file, image, size);
	free(image);
	return made;
}

TEST(more_places_than_its_share)
{
	long points = debugfs_stat("return_points");
	struct probe returns = { };
	struct codefile file;
	uint8_t *text;
	pid_t pid;

	ASSERT_LE(0, points);
	ASSERT_TRUE(callers_make(&file));
	text = codefile_map(&file, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, text);
	ASSERT_EQ(0, probe_all(&returns, file.path, 0, PROBE_RET));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct map m;

		for (int round = 0; round < 2; round++)
			for (int i = 0; i < CALLERS; i++)
				((void (*)(void))(text + FIRST_CALLER + i * CALLER_SIZE))();
		/* The trampoline is there. */
		_exit(xol_map(0, &m) ? 0 : 1);
	}
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(2 * CALLERS, probe_hits(&returns));
	points = debugfs_stat("return_points") - points;
	EXPECT_EQ(SHARE, points);
	probe_close(&returns);
	codefile_drop(&file);
}

/* What is found in place of a return address is left as it is. */
TEST(no_functions)
{
	struct program p;
	char path[64];

	ASSERT_EQ(0, scenario_program(&p, path, sizeof(path), "entered_without_a_call"));
	functions_drop(&p.files[0]);
	ASSERT_EQ(0, functions_read(&p.files[0], path, never_is_called));
	EXPECT_LE(1, p.files[0].n);
	EXPECT_EQ(0, differences(&p, PROBE_ENTRIES, NULL));
	EXPECT_EQ(0, differences(&p, PROBE_RETURNS | UNTALLIED, NULL));
	scenario_drop(&p);
}

int main(int argc, char **argv)
{
	return return_test_main(argc, argv);
}
