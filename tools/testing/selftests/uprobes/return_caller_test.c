// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions called from elsewhere: another file, shared and writable text,
 * memory without a file, text that is replaced meanwhile.
 */
#include "return_functions.h"

/* ---- callers in other files, and in no file ---- */

typedef long (*caller_fn)(long x, long (*callee)(long x));

#define CODE_AT	64
#define ROUNDS	10

static const uint8_t caller_code[] = {
#ifdef __x86_64__
	0x48, 0x83, 0xec, 0x08,		/* sub $8, %rsp */
	0xff, 0xd6,			/* call *%rsi */
	0x48, 0x83, 0xc4, 0x08,		/* add $8, %rsp */
#else
	0x8b, 0x44, 0x24, 0x08,		/* mov 8(%esp), %eax */
	0xff, 0x74, 0x24, 0x04,		/* push 4(%esp) */
	0xff, 0xd0,			/* call *%eax */
	0x83, 0xc4, 0x04,		/* add $4, %esp */
#endif
	0xc3,
};

static uint8_t *caller_text;

static long call_from(const uint8_t *text, long x, long (*callee)(long x))
{
	return ((caller_fn)(unsigned long)(text + CODE_AT))(x, callee);
}

static uint8_t *map_callers(const struct codefile *file, void *at, int prot, int flags)
{
	uint8_t *text = mmap(at, PAGE, prot, flags | (at ? MAP_FIXED : 0), file->fd, 0);

	if (text == MAP_FAILED)
		_exit(95);
	return text;
}

static void make_callers(struct codefile *file)
{
	uint8_t image[PAGE] = { };

	code_ident(image);
	memcpy(image + CODE_AT, caller_code, sizeof(caller_code));
	if (codefile_make(file, image, sizeof(image)))
		_exit(94);
}

SCENARIO(callers_in_another_file)
{
	struct codefile file;
	uint8_t *a, *b;
	long sum = 0;

	make_callers(&file);
	for (int round = 0; round < 5; round++) {
		a = map_callers(&file, NULL, PROT_READ | PROT_EXEC, MAP_PRIVATE);
		b = map_callers(&file, NULL, PROT_READ | PROT_EXEC, MAP_PRIVATE);
		for (long i = 0; i < ROUNDS; i++)
			sum += call_from(a, i, leaf) + call_from(b, i, leaf);
		munmap(a, PAGE);
		for (long i = 0; i < ROUNDS; i++)
			sum += call_from(b, i, leaf);
		/* And another one where it was */
		map_callers(&file, b, PROT_READ | PROT_EXEC, MAP_PRIVATE);
		for (long i = 0; i < ROUNDS; i++)
			sum += call_from(b, i, leaf);
		munmap(b, PAGE);
	}
	codefile_drop(&file);
	printf("%ld\n", sum);
	return 0;
}

SCENARIO(callers_in_shared_and_writable_text)
{
	struct codefile file;
	uint8_t *text = NULL;
	long sum = 0;

	make_callers(&file);
	for (int round = 0; round < 6; round++) {
		int prot = PROT_READ | PROT_EXEC | (round % 3 ? PROT_WRITE : 0);

		text = map_callers(&file, text, prot, round % 3 < 2 ? MAP_SHARED : MAP_PRIVATE);
		for (long i = 0; i < ROUNDS; i++)
			sum += call_from(text, i, leaf);
	}
	/* Nothing of it came into the file. */
	map_callers(&file, text, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	printf("%ld, %d\n", sum, memcmp(text + CODE_AT, caller_code, sizeof(caller_code)));
	codefile_drop(&file);
	return 0;
}

/* Written anew at every turn, as a compiler at run time does */
SCENARIO(callers_in_memory_without_a_file)
{
	uint8_t *text = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	long sum = 0;

	if (text == MAP_FAILED)
		return 95;
	for (int round = 0; round < ROUNDS; round++) {
		/* one nop more or less in front */
		memset(text + CODE_AT, 0x90, 64);
		memcpy(text + CODE_AT + round % 3, caller_code, sizeof(caller_code));
		if (mprotect(text, PAGE, PROT_READ | PROT_EXEC))
			return 94;
		for (long i = 0; i < ROUNDS; i++)
			sum += call_from(text, i, leaf);
		if (mprotect(text, PAGE, PROT_READ | PROT_WRITE))
			return 94;
	}
	printf("%ld\n", sum);
	return 0;
}

static struct codefile caller_file;

static PROBED long discards(long x)
{
	madvise(caller_text, PAGE, MADV_DONTNEED);
	return x + 1;
}

static PROBED long replaces(long x)
{
	munmap(caller_text, PAGE);
	map_callers(&caller_file, caller_text, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	return x + 2;
}

/*
 * The text is taken away below a function, and comes back before it returns:
 * a breakpoint in it may be lost, with this one return.
 */
SCENARIO(callers_that_are_read_anew)
{
	long sum = 0;

	make_callers(&caller_file);
	caller_text = map_callers(&caller_file, NULL, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	for (long i = 0; i < 30; i++) {
		sum += call_from(caller_text, i, leaf);
		sum += call_from(caller_text, i, discards);
		MAY_RETURN(discards, 1);
		sum += call_from(caller_text, i, leaf);
		sum += call_from(caller_text, i, replaces);
		MAY_RETURN(replaces, 1);
	}
	printf("%ld\n", sum);
	codefile_drop(&caller_file);
	return 0;
}

#ifdef __x86_64__
static volatile int handled;

static PROBED void on_signal(int sig)
{
	handled += leaf(sig) > 0;
	RETURNS(on_signal);
}

/* As the kernel has it. With 32 bit the address is in the vdso without all that. */
struct kernel_action {
	void (*handler)(int sig);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

#define SA_WITH_RESTORER	0x04000000

/* What a handler returns to was written at run time. */
SCENARIO(handlers_with_another_restorer)
{
	static const uint8_t code[] = { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	uint8_t *text = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	struct kernel_action action = {
		.handler = on_signal,
		.flags = SA_WITH_RESTORER,
		.restorer = (void (*)(void))(unsigned long)text,
	};

	if (text == MAP_FAILED)
		return 95;
	memcpy(text, code, sizeof(code));
	if (mprotect(text, PAGE, PROT_READ | PROT_EXEC) ||
	    syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, sizeof(action.mask)))
		return 94;
	for (int i = 0; i < 30; i++)
		raise(SIGUSR1);
	printf("%d handled\n", handled);
	return 0;
}
#endif

int main(int argc, char **argv)
{
	return return_test_main(argc, argv);
}
