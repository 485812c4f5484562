// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program with a probe on every instruction runs once. How many hits that was
 * is printed here; how many exceptions it took, the machine's owner has counted.
 */
#include "programs.h"

int main(int argc, char **argv)
{
	static const struct job job = { { "sha256sum", "text" } };
	static struct result plain, probed;
	char program[1024];
	uint64_t *offsets;
	struct bulk b;
	uint32_t n;
	int file;

	mount_once("debugfs", DEBUGFS_MAGIC, DEBUGFS);
	beside_program(program, sizeof(program), "../64/data/busybox");
	offsets = read_offsets("../64/data/busybox.insns", &n);
	file = open(program, O_RDONLY | O_CLOEXEC);
	if (!offsets || file < 0 || !make_inputs() || bulk_open(&b) ||
	    bulk_add(&b, file, offsets, n))
		ksft_exit_fail_perror("no probes");
	print_strategies(file);
	run_job(program, &job, 600, &probed);
	if (bulk_hits(&b))
		ksft_exit_fail_perror("no hits");
	bulk_close(&b);
	run_job(program, &job, 600, &plain);
	remove_inputs();
	if (plain.status || memcmp(&plain, &probed, sizeof(plain)))
		ksft_exit_fail_msg("what it printed differs\n");
	printf("hits %llu\n", (unsigned long long)b.sum);
	return 0;
}
