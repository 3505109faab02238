/* The fuzz driver without a fuzzer: random sequences of bytes, or files that a fuzzer found.
 *
 *     plain [--runs N] [--seed S]          sequences; each failure names the seed and the run
 *     plain --seed S --only N              one of them again
 *     plain FILE ...                       the bytes of these files
 *
 * Half of a sequence is uniform; the rest prefers a few operations and few arguments, which digs deeper.
 */
#include "operations.h"

#include "holdfast.h"
#include "sentences.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONGEST 600
#define AT_ONCE 25u /* runs in one process, so that a failure costs few others */

static uint64_t random_of(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static size_t sequence(uint8_t *bytes, uint64_t seed, uint64_t run) {
    uint64_t random = (seed + run) * 0x9e3779b97f4a7c15ull | 1, favourites;
    random_of(&random);
    favourites = random_of(&random);
    size_t count = 20 + random_of(&random) % (LONGEST - 20);
    for (size_t i = 0; i < count; i++) {
        uint64_t r = random_of(&random);
        bool narrow = run % 2 && (r >> 60) > 3;
        bytes[i] = narrow ? (uint8_t)(favourites >> (8 * (r >> 32 & 7))) % (OPERATIONS * 2) : (uint8_t)(r >> 40);
    }
    return count;
}

/* In a process of its own; true if it ended well. */
static bool runs(uint64_t seed, uint64_t first, uint64_t last) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        static uint8_t bytes[LONGEST];
        alarm(HF_TEST_WATCHDOG_S);
        for (uint64_t run = first; run < last; run++) {
            hf_test_say("HOLDFAST_SEED=%llu, or --seed %llu --only %llu", (unsigned long long)seed,
                        (unsigned long long)seed, (unsigned long long)run);
            operations_run(bytes, sequence(bytes, seed, run));
        }
        for (int i = 0; i < OPERATIONS && getenv("HOLDFAST_FIGURES"); i++)
            printf("%s %llu%s", operations_name(i), (unsigned long long)operations_done[i],
                   i + 1 < OPERATIONS ? ", " : "\n");
        exit(0); /* and not _exit: the leak checker runs here */
    }
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0) return true;
    if (pid > 0 && WIFSIGNALED(status))
        printf("seed %llu, runs %llu to %llu: signal %d\n", (unsigned long long)seed, (unsigned long long)first,
               (unsigned long long)last, WTERMSIG(status));
    return false;
}

static void run_file(const char *name) {
    static uint8_t bytes[1 << 16];
    FILE *f = fopen(name, "rb");
    if (!f) hf_test_failed(name, 0, "it can be opened");
    size_t count = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    hf_test_say("%s", name);
    operations_run(bytes, count);
    printf("%s: %zu bytes, ok\n", name, count);
}

int main(int argc, char **argv) {
    const char *given = getenv("HOLDFAST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : hf_now_ns() % 1000000007u, count = 400, first = 0, failed = 0;
    int files = 0;
    for (int i = 1; i < argc; i++) {
        uint64_t number = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (strcmp(argv[i], "--runs") == 0) {
            count = number;
            i++;
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = number;
            i++;
        } else if (strcmp(argv[i], "--only") == 0) {
            first = number;
            count = 1;
            i++;
        } else {
            run_file(argv[i]);
            files++;
        }
    }
    if (files) return 0;
    for (uint64_t run = first; run < first + count; run += AT_ONCE)
        failed += !runs(seed, run, run + AT_ONCE < first + count ? run + AT_ONCE : first + count);
    printf("fuzz: %llu sequences from seed %llu, %s\n", (unsigned long long)count, (unsigned long long)seed,
           failed ? "FAILED" : "all sound");
    return failed != 0;
}
