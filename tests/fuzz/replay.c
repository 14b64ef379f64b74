// SPDX-License-Identifier: MIT
/*
 * Runs a fuzz target on every file of the directories in its arguments, without a fuzzer: every
 * input that was ever found remains a test, and gcov shows what the corpus reaches. Prints TAP.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>

static unsigned run(const char *directory)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;
	unsigned count = 0;

	while (entries && (entry = readdir(entries))) {
		char path[4096];
		uint8_t *data;
		size_t size;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		file = fopen(path, "rb");
		require(file && fseek(file, 0, SEEK_END) == 0);
		size = (size_t)ftell(file);
		rewind(file);
		data = malloc(size ? size : 1); /* so that ASan finds a read behind its end */
		require(fread(data, 1, size, file) == size);
		fclose(file);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
		count++;
	}
	if (entries)
		closedir(entries);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		count += run(argv[i]);
	printf("%sok 1 - %u inputs\n1..1\n", count ? "" : "not ", count);
	return count == 0;
}
