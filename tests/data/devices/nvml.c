/* Stands where NVIDIA's management library would: two cards, the first of which fell off the bus when
   NVML_LOST is set; a third without memory of its own. Written for these tests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { unsigned long long total, free, used; } memory_t;

static const char *names[] = {"NVIDIA GeForce RTX 4090", "NVIDIA H200", "NVIDIA GB10"};
static const char *uuids[] = {"GPU-11111111-aaaa", "GPU-22222222-bbbb", "GPU-33333333-cccc"};
static const int majors[] = {8, 9, 12}, minors[] = {9, 0, 1};

static int number(void *device) { return (int)(long)device - 1; }
static int say(char *to, unsigned length, const char *text) { snprintf(to, length, "%s", text); return 0; }

int nvmlInit_v2(void) {
    if (getenv("NVML_CRASH")) abort();
    if (getenv("NVML_HANG")) sleep(60);
    return getenv("NVML_REFUSE") ? 18 : 0; /* library and driver of different versions */
}
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *to, unsigned length) { return say(to, length, "580.126.09"); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if (index == 0 && getenv("NVML_LOST")) return 15;
    *device = (void *)(long)(index + 1);
    return 0;
}
int nvmlDeviceGetName(void *device, char *to, unsigned length) { return say(to, length, names[number(device)]); }
int nvmlDeviceGetUUID(void *device, char *to, unsigned length) { return say(to, length, uuids[number(device)]); }
int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) {
    *major = majors[number(device)];
    *minor = minors[number(device)];
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    if (number(device) == 2) return 3; /* not supported */
    memory->total = (number(device) ? 141ULL : 24ULL) << 30;
    memory->free = memory->total - (1ULL << 30);
    memory->used = 1ULL << 30;
    return 0;
}
