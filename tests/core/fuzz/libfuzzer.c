/* The entry point for libFuzzer (clang -fsanitize=fuzzer). A failed sentence aborts, so that the bytes are kept.
 *
 * The runner's half of sentences.h has its own meaning here, so this file stands in the place of sentences.c.
 */
#include "operations.h"

#include "sentences.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char text[200];
char *hf_test_case = text;

void hf_test_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
}

_Noreturn void hf_test_failed(const char *file, int line, const char *sentence) {
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, sentence);
    abort();
}

_Noreturn void hf_test_differs(const char *file, int line, const char *what, long long found, long long expected) {
    fprintf(stderr, "%s:%d: does not hold: %s: %lld, not %lld\n", file, line, what, found, expected);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    operations_run(bytes, count);
    return 0;
}
