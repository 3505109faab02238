/* Sentences that must hold, and the runner of a file's tests.
 *
 * Each test runs in a process of its own, with a heap of its own: what it leaves behind is its own, and after it nothing
 * may be left: no process of its group, no fault in the heap of any live process. A failed sentence ends the process
 * that spoke it; whoever waits for that process hears of it. Nothing sleeps to let something happen: tests wait for
 * conditions, and a watchdog ends a test that waits for ever.
 */
#ifndef HF_TEST_SENTENCES_H
#define HF_TEST_SENTENCES_H

#include <stddef.h>

typedef struct {
    const char *name;
    void (*run)(void);
} hf_test;

/* One test may take this long, under the slowest sanitizer on a busy machine. */
#define HF_TEST_WATCHDOG_S 100u

_Noreturn void hf_test_failed(const char *file, int line, const char *text);
_Noreturn void hf_test_differs(const char *file, int line, const char *what, long long found, long long expected);

#define CHECK(sentence)                                                 \
    do {                                                                \
        if (!(sentence)) hf_test_failed(__FILE__, __LINE__, #sentence); \
    } while (0)

#define CHECK_IS(found, expected)                                                                                 \
    do {                                                                                                          \
        long long found_ = (long long)(found), expected_ = (long long)(expected);                                 \
        if (found_ != expected_) hf_test_differs(__FILE__, __LINE__, #found " is " #expected, found_, expected_); \
    } while (0)

/* Until the condition holds; the watchdog knows when that is never. */
#define UNTIL(condition)                                       \
    do {                                                       \
        for (int t_ = 0; !(condition); t_++) hf_test_rest(t_); \
    } while (0)
/* Between two looks at a condition: first yields, then sleeps for a moment, so that others get on. */
void hf_test_rest(int looks);

/* What failed sentences say besides, such as the present case of a table or the seed; "" is nothing. */
extern char *hf_test_case; /* in memory that the runner shares with the test, so that it can say where one hung */
void hf_test_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs all tests of a file, or those named on the command line; the number of failed ones is main's result. */
int hf_test_run(const hf_test *tests, size_t count, int argc, char **argv);

#define TEST(name) {#name, test_##name}
#define MAIN(...)                                                              \
    int main(int argc, char **argv) {                                          \
        static const hf_test tests[] = {__VA_ARGS__};                          \
        return hf_test_run(tests, sizeof tests / sizeof tests[0], argc, argv); \
    }

#endif
