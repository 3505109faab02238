/* For ThreadSanitizer: all memberships of this process see the heap at one address.
 *
 * Threads play processes here, and each joins the heap with a mapping of its own. The sanitizer judges accesses by
 * address, so it would see nothing of what two of them do to the same byte. The linker puts these functions in the place
 * of the core's (--wrap): a file that is mapped already is not mapped again.
 */
#include "os_linux.h"

#include <pthread.h>
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
