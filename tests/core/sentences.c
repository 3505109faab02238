/* The runner: see sentences.h. */
#define _GNU_SOURCE
#include "sentences.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CASE_BYTES 240
static char own_case[CASE_BYTES];
char *hf_test_case = own_case;

void hf_test_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(hf_test_case, CASE_BYTES, format, args);
    va_end(args);
}

_Noreturn void hf_test_failed(const char *file, int line, const char *text) {
    fprintf(stderr, "%s:%d: pid %d: does not hold: %s %s\n", file, line, (int)getpid(), text, hf_test_case);
    _exit(1);
}

_Noreturn void hf_test_differs(const char *file, int line, const char *what, long long found, long long expected) {
    fprintf(stderr, "%s:%d: pid %d: does not hold: %s: %lld, not %lld %s\n", file, line, (int)getpid(), what, found,
            expected, hf_test_case);
    _exit(1);
}

void hf_test_rest(int looks) {
    struct timespec moment = {0, 50000};
    if (looks < 20)
        sched_yield();
    else
        nanosleep(&moment, NULL);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* In the test's own process: leader of a group, and parent of whatever its children leave. */
static _Noreturn void perform(const hf_test *test) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    alarm(HF_TEST_WATCHDOG_S);
    test->run();
    if (waitpid(-1, NULL, 0) >= 0 || errno != ECHILD) hf_test_failed(test->name, 0, "no child is left");
    exit(0); /* and not _exit: the leak checker runs here */
}

/* NULL: it passed. */
static const char *verdict(pid_t pid) {
    static char text[40 + CASE_BYTES];
    int status;
    if (waitpid(pid, &status, 0) != pid) return "waitpid failed";
    const char *result = NULL;
    if (WIFSIGNALED(status)) {
        snprintf(text, sizeof text,
                 WTERMSIG(status) == SIGALRM ? "still waiting after %u s %s" : "killed by signal %u %s",
                 WTERMSIG(status) == SIGALRM ? HF_TEST_WATCHDOG_S : (unsigned)WTERMSIG(status), hf_test_case);
        result = text;
    } else if (WEXITSTATUS(status) != 0) {
        result = "see above";
    }
    if (kill(-pid, SIGKILL) == 0 && !result) result = "it left processes behind";
    return result;
}

int hf_test_run(const hf_test *tests, size_t count, int argc, char **argv) {
    int failed = 0, ran = 0;
    const char *program = strrchr(argv[0], '/');
    void *page = mmap(NULL, CASE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED) hf_test_case = page;
    for (size_t i = 0; i < count; i++) {
        int wanted = argc < 2;
        for (int a = 1; a < argc; a++) wanted |= strcmp(argv[a], tests[i].name) == 0;
        if (!wanted) continue;
        double since = now();
        fflush(NULL);
        hf_test_say("%s", "");
        pid_t pid = fork();
        if (pid < 0) hf_test_failed(tests[i].name, 0, "fork");
        if (pid == 0) perform(&tests[i]);
        const char *why = verdict(pid);
        printf("%-6s %-72s %6.2f s %s\n", why ? "FAILED" : "ok", tests[i].name, now() - since, why ? why : "");
        fflush(stdout);
        ran++;
        failed += why != NULL;
    }
    printf("%s: %d passed, %d failed\n", program ? program + 1 : argv[0], ran - failed, failed);
    return failed ? 1 : 0;
}
