/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Runs a fuzz target without libFuzzer: replay PATH... Each file, or each file of a directory, is
 * handed over whole and then cut off at every length, each time as heap memory of just that size.
 * Long files are cut at 4096 lengths.
 */
#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#define CUTS      4096
#define INPUT_MAX (1 << 20)

static void hand_over(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));

    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay_file(const char *path)
{
    static uint8_t data[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    size_t size, step;

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size = fread(data, 1, sizeof data, file);
    (void)fclose(file);
    hand_over(data, size);
    step = size / CUTS + 1;
    for (size_t cut = 0; cut < size; cut += step)
        hand_over(data, cut);
}

/* Returns how many files there were. */
static unsigned replay(const char *path)
{
    struct dirent **entries;
    struct stat status;
    unsigned files = 0;
    int n;

    if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
        replay_file(path);
        return 1;
    }
    n = scandir(path, &entries, NULL, alphasort);
    if (n < 0) {
        perror(path);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        char name[4096];

        if (entries[i]->d_name[0] != '.') {
            (void)snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
            replay_file(name);
            files++;
        }
        free(entries[i]);
    }
    free(entries);
    return files;
}

int main(int argc, char **argv)
{
    unsigned files = 0;

    for (int i = 1; i < argc; i++)
        files += replay(argv[i]);
    (void)printf("%u inputs\n", files);
    return files > 0 ? 0 : 1;
}
