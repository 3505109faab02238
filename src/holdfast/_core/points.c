/* Crash points: see points.h. */
#include "points.h"

#include "holdfast.h"
#include "os_linux.h"

hf_a32 hf_i_armed;
static hf_a32 passes_left;

static const char *const names[] = {
#define HF_POINT_NAME(name) #name,
    HF_POINTS(HF_POINT_NAME)
#undef HF_POINT_NAME
};

int hf_points_count(void) {
    return (int)hf_points_end;
}

const char *hf_points_name(int index) {
    return index >= 0 && index < (int)hf_points_end ? names[index] : NULL;
}

void hf_points_arm(int index, uint32_t nth) {
    hf_store32_seq_cst(&hf_i_armed, 0);
    hf_store32_seq_cst(&passes_left, nth == 0 ? 1 : nth);
    if (index >= 0 && index < (int)hf_points_end) hf_store32_seq_cst(&hf_i_armed, 1u + (uint32_t)index);
}

void hf_i_point_reached(void) {
    if (hf_add32_seq_cst(&passes_left, UINT32_MAX) == 1) hf_os_die();
}
