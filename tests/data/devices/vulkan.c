/* Stands where the Vulkan loader would, with structures as the specification draws them: a discrete GPU with
   a memory budget, an integrated one, one of an old driver, and a processor that plays GPU. Written for these
   tests. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct { uint32_t type; void *next; } chained_t;
typedef struct { uint64_t bytes[63]; } limits_t; /* 504 bytes, aligned to 8 */
typedef struct {
    uint32_t api, driver, vendor, device, type;
    char name[256];
    uint8_t cache[16];
    limits_t limits;
    uint32_t sparse[5];
} properties_t;
typedef struct { uint32_t type; void *next; properties_t properties; } properties2_t;
typedef struct { uint32_t type; void *next; uint32_t id; char name[256], info[256]; uint8_t conformance[4]; } driver_t;
typedef struct { uint32_t type; void *next; uint8_t device[16], driver[16], luid[8]; uint32_t mask, valid; } id_t;
typedef struct { uint32_t flags, heap; } memory_type_t;
typedef struct { uint64_t size; uint32_t flags; } heap_t;
typedef struct {
    uint32_t type; void *next;
    uint32_t types; memory_type_t type_of[32];
    uint32_t heaps; heap_t heap[16];
} memory2_t;
typedef struct { uint32_t type; void *next; uint64_t budget[16], usage[16]; } budget_t;
typedef struct { uint32_t type; void *next; uint32_t features[55]; } features2_t;
typedef struct { uint32_t type; void *next; uint32_t storage, uniform, push, input; } storage16_t;
typedef struct { char name[256]; uint32_t version; } extension_t;
typedef struct { uint32_t type; void *next; char *name; uint32_t v; char *engine; uint32_t e, api; } application_t;
typedef struct { uint32_t type; void *next; uint32_t flags; application_t *application; } creation_t;

enum { DISCRETE, INTEGRATED, OLD, SOFTWARE, COUNT };
static const char *names[] = {"Some Radeon", "Some Iris", "Old Card", "llvmpipe (LLVM 15.0.6, 256 bits)"};
static const uint32_t types[] = {2, 1, 2, 4};
static uint32_t api(int n) { return n == OLD ? (1u << 22) : (1u << 22 | 3u << 12 | 230u); }
static int number(void *device) { return (int)(long)device - 1; }

int vkCreateInstance(const creation_t *creation, const void *allocator, void **instance) {
    (void)allocator;
    if (creation->type != 1 || creation->application->type != 0) return -3;
    if (creation->application->api != (1u << 22 | 2u << 12)) return -9;
    *instance = (void *)7;
    return 0;
}
int vkEnumeratePhysicalDevices(void *instance, uint32_t *count, void **devices) {
    if (instance != (void *)7) return -3;
    for (int n = 0; devices && n < COUNT; n++) devices[n] = (void *)(long)(n + 1);
    *count = COUNT;
    return 0;
}
void vkGetPhysicalDeviceProperties(void *device, properties_t *properties) {
    int n = number(device);
    memset(properties, 0xEE, sizeof *properties); /* a caller that left too little room would notice */
    properties->api = api(n);
    properties->type = types[n];
    strcpy(properties->name, names[n]);
}
void vkGetPhysicalDeviceProperties2(void *device, properties2_t *wanted) {
    vkGetPhysicalDeviceProperties(device, &wanted->properties);
    for (chained_t *each = wanted->next; each; each = each->next) {
        if (each->type == 1000196000) {
            strcpy(((driver_t *)each)->name, "radv");
            strcpy(((driver_t *)each)->info, "Mesa 25.0");
        } else if (each->type == 1000071004) {
            memset(((id_t *)each)->device, 0xA0 + number(device), 16);
        }
    }
}
void vkGetPhysicalDeviceFeatures2(void *device, features2_t *wanted) {
    (void)device;
    for (chained_t *each = wanted->next; each; each = each->next)
        if (each->type == 1000083000) ((storage16_t *)each)->storage = 1;
}
int vkEnumerateDeviceExtensionProperties(void *device, const char *layer, uint32_t *count, extension_t *found) {
    (void)layer;
    *count = number(device) == DISCRETE ? 2 : 1;
    if (found) strcpy(found[0].name, "VK_KHR_swapchain");
    if (found && *count == 2) strcpy(found[1].name, "VK_EXT_memory_budget");
    return 0;
}
void vkGetPhysicalDeviceMemoryProperties2(void *device, memory2_t *memory) {
    memory->heaps = 2;
    memory->heap[0] = (heap_t){8ULL << 30, 1};  /* the device's own */
    memory->heap[1] = (heap_t){16ULL << 30, 0}; /* the machine's */
    for (chained_t *each = memory->next; each; each = each->next)
        if (each->type == 1000237000 && number(device) == DISCRETE) {
            ((budget_t *)each)->budget[0] = 7ULL << 30;
            ((budget_t *)each)->usage[0] = 1ULL << 30;
            ((budget_t *)each)->budget[1] = 9ULL << 30;
        }
}
