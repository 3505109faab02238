/* For ThreadSanitizer: all memberships of this process see the heap at one address, and a death is an event.
 *
 * Threads play processes here, and each joins the heap with a mapping of its own. The sanitizer judges accesses by
 * address, so it would see nothing of what two of them do to the same byte. The linker puts these functions in the place
 * of the core's (--wrap): a file that is mapped already is not mapped again.
 *
 * What a process did before its death happens before whatever the one who takes its lifeline afterwards does: the kernel
 * orders the two. The sanitizer does not know that, so it is told, for each slot.
 */
#include "os_linux.h"

#include "layout.h"

#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <stddef.h>

typedef struct {
    hf_os_file file;
    uint64_t bytes;
    void *address;
    int users;
} mapping;

static mapping mappings[16]; /* users 0: not in use */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

void *__real_hf_os_map(int fd, uint64_t bytes, int *error);
void __real_hf_os_unmap(void *address, uint64_t bytes);
void *__wrap_hf_os_map(int fd, uint64_t bytes, int *error);
void __wrap_hf_os_unmap(void *address, uint64_t bytes);

void *__wrap_hf_os_map(int fd, uint64_t bytes, int *error) {
    hf_os_file file;
    mapping *found = NULL;
    void *address = NULL;
    if (hf_os_identify(fd, &file, NULL) != 0) return __real_hf_os_map(fd, bytes, error);
    pthread_mutex_lock(&guard);
    for (int i = 0; i < 16; i++) {
        mapping *m = &mappings[i];
        if (m->users == 0) {
            if (!found) found = m;
        } else if (m->file.inode == file.inode && m->file.device == file.device && m->bytes == bytes) {
            found = m;
            break;
        }
    }
    if (found && found->users > 0) {
        address = found->address;
    } else {
        address = __real_hf_os_map(fd, bytes, error);
        if (found && address) *found = (mapping){file, bytes, address, 0};
    }
    if (found && address) found->users++;
    pthread_mutex_unlock(&guard);
    return address;
}

void __wrap_hf_os_unmap(void *address, uint64_t bytes) {
    int left = 0;
    pthread_mutex_lock(&guard);
    for (int i = 0; i < 16; i++) {
        if (mappings[i].users > 0 && mappings[i].address == address && mappings[i].bytes == bytes) {
            left = --mappings[i].users;
            break;
        }
    }
    if (left == 0) __real_hf_os_unmap(address, bytes);
    pthread_mutex_unlock(&guard);
}

/* ---- lifelines ---------------------------------------------------------------------------------------------------------- */

static char order[HF_SLOTS]; /* an address for each slot */
static struct {
    void *page;
    uint32_t slot;
} lifelines[2 * HF_SLOTS];

int __real_hf_os_lifeline_take(int fd, uint32_t slot, uint64_t offset, hf_os_lifeline *out, const char **what);
void __real_hf_os_lifeline_drop(hf_os_lifeline *line);
int __wrap_hf_os_lifeline_take(int fd, uint32_t slot, uint64_t offset, hf_os_lifeline *out, const char **what);
void __wrap_hf_os_lifeline_drop(hf_os_lifeline *line);

int __wrap_hf_os_lifeline_take(int fd, uint32_t slot, uint64_t offset, hf_os_lifeline *out, const char **what) {
    int error = __real_hf_os_lifeline_take(fd, slot, offset, out, what);
    if (error) return error;
    __tsan_acquire(&order[slot]);
    pthread_mutex_lock(&guard);
    size_t i = 0;
    while (lifelines[i].page) i++;
    lifelines[i].page = out->page;
    lifelines[i].slot = slot;
    pthread_mutex_unlock(&guard);
    return 0;
}

void __wrap_hf_os_lifeline_drop(hf_os_lifeline *line) {
    pthread_mutex_lock(&guard);
    for (size_t i = 0; line->page && i < 2 * HF_SLOTS; i++) {
        if (lifelines[i].page != line->page) continue;
        lifelines[i].page = NULL;
        __tsan_release(&order[lifelines[i].slot]);
        break;
    }
    pthread_mutex_unlock(&guard);
    __real_hf_os_lifeline_drop(line);
}
