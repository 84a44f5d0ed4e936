/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * faults_dlopen LIBRARY: loads and unloads the library a thousand times, uses it each time from a
 * thread that ends after the unload, and leaves no descriptor, mapping or thread-specific key
 * behind. Not linked with it. With one more argument it leaves a descriptor, and has to fail.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <resil/resil.h>

#define TIMES 1000

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void *library;
static pthread_barrier_t used, unloaded;

static void *symbol(const char *name)
{
    void *found = dlsym(library, name);

    CHECK(found != NULL);
    return found;
}

/* A token of a stripe is taken in a sequence that the thread's area points to meanwhile. */
static void use_stripes(void)
{
    int (*init)(struct resil_limiter *, size_t, const struct resil_limiter_config *, size_t);
    int (*lease)(struct resil_leased_limiter *, size_t, struct resil_limiter *,
                 const struct resil_leased_limiter_config *, size_t);
    int (*acquire)(struct resil_leased_limiter *, uint64_t, uint64_t, uint64_t *);
    const struct resil_limiter_config config = {.tokens = 1000};
    struct resil_limiter limiter;
    struct resil_leased_limiter leased;

    *(void **)&init = symbol("resil_limiter_init_sized");
    *(void **)&lease = symbol("resil_leased_limiter_init_sized");
    *(void **)&acquire = symbol("resil_leased_limiter_acquire");
    CHECK(init(&limiter, sizeof limiter, &config, sizeof config) == 0);
    CHECK(lease(&leased, sizeof leased, &limiter, NULL,
                sizeof(struct resil_leased_limiter_config)) == 0);
    for (unsigned i = 0; i < 10; i++)
        CHECK(acquire(&leased, 1, 1, NULL) == 0);
}

/* A balancer's pick gives the thread a slot, which is given back when the thread ends. */
static void *use(void *arg)
{
    int (*init)(struct resil_balancer *, size_t, const struct resil_balancer_config *, size_t);
    int (*update)(struct resil_balancer *, const struct resil_endpoint *, size_t, uint64_t);
    int (*pick)(struct resil_balancer *, const struct resil_pick_request *, uint64_t,
                struct resil_pick *);
    int (*report)(struct resil_balancer *, struct resil_pick *, enum resil_outcome, uint64_t,
                  uint64_t);
    int (*fini)(struct resil_balancer *);
    const struct resil_env *(*posix)(void);
    const struct resil_endpoint endpoint = {.address = "a", .weight = 1};
    struct resil_balancer balancer;
    struct resil_pick picked;

    *(void **)&init = symbol("resil_balancer_init_sized");
    *(void **)&update = symbol("resil_balancer_update");
    *(void **)&pick = symbol("resil_balancer_pick");
    *(void **)&report = symbol("resil_balancer_report");
    *(void **)&fini = symbol("resil_balancer_fini");
    *(void **)&posix = symbol("resil_env_posix");
    CHECK(posix()->random(NULL) != posix()->random(NULL) && posix()->now(NULL) > 0);
    CHECK(init(&balancer, sizeof balancer, NULL, sizeof(struct resil_balancer_config)) == 0);
    CHECK(update(&balancer, &endpoint, 1, 1) == 0);
    CHECK(pick(&balancer, NULL, 1, &picked) == 0);
    CHECK(report(&balancer, &picked, RESIL_SUCCESS, 1, 1) == 0);
    CHECK(fini(&balancer) == 0);
    use_stripes();
    (void)pthread_barrier_wait(&used);
    (void)pthread_barrier_wait(&unloaded);
    return arg;
}

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

static unsigned mappings(const char *path)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') : path;
    char line[512];
    unsigned count = 0;

    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, name) != NULL;
    (void)fclose(maps);
    return count;
}

static unsigned free_keys(void)
{
    static pthread_key_t keys[4096];
    unsigned count = 0;

    while (count < 4096 && pthread_key_create(&keys[count], NULL) == 0)
        count++;
    for (unsigned i = 0; i < count; i++)
        (void)pthread_key_delete(keys[i]);
    return count;
}

int main(int argc, char **argv)
{
    unsigned first_descriptors = 0, first_mappings = 0, first_keys = 0;

    CHECK(argc > 1);
    CHECK(pthread_barrier_init(&used, NULL, 2) == 0);
    CHECK(pthread_barrier_init(&unloaded, NULL, 2) == 0);
    for (unsigned i = 0; i < TIMES; i++) {
        pthread_t thread;

        library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            (void)fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        CHECK(pthread_create(&thread, NULL, use, NULL) == 0);
        (void)pthread_barrier_wait(&used);
        CHECK(dlclose(library) == 0);
        (void)pthread_barrier_wait(&unloaded);
        CHECK(pthread_join(thread, NULL) == 0);
        if (i == 1 && argc > 2)
            CHECK(fopen(argv[1], "r") != NULL);
        if (i == 0) {
            first_descriptors = descriptors();
            first_mappings = mappings(argv[1]);
            first_keys = free_keys();
        }
    }
    CHECK(descriptors() == first_descriptors);
    CHECK(mappings(argv[1]) == first_mappings);
    CHECK(free_keys() == first_keys);
    (void)printf("%d times: %u descriptors, %u mappings\n", TIMES, first_descriptors,
                 first_mappings);
    return 0;
}
