/* The table of services: adding one is a line here. Each opens its own database in a directory of
 * its own, so that a damaged or removed one is that service's matter alone. */
#include "app/services.h"

#include "base/mem.h"
#include "os/file.h"

#include <limits.h>

struct services {
    struct registry *registry;
};

static const struct service *const all[] = {
    NULL, /* An end, so that the table may be empty. */
};

static int service_open(struct services *services, const struct service *service,
                        const struct services_config *config, struct err *err)
{
    char dir[PATH_MAX];
    (void) snprintf(dir, sizeof dir, "%s/" STR_FMT, config->data_dir, STR_ARG(service->model->id));
    int rc = dir_make(dir, 0700, err);
    if (rc < 0)
        return rc;
    const struct service_env env = {
        .data_dir = dir,
        .clock = config->clock,
        .rng = config->rng,
        .workers = config->workers,
        .loops = config->loops,
        .loop_count = config->loop_count,
        .endpoint = config->endpoint,
    };
    return registry_open(services->registry, service, &env, config->actors, err);
}

int services_open(const struct services_config *config, struct services **out_services,
                  struct err *err)
{
    struct services *services = NEW(struct services);
    services->registry = registry_new();
    for (size_t i = 0; all[i] != NULL; i++) {
        int rc = service_open(services, all[i], config, err);
        if (rc < 0) {
            services_stop(services);
            services_free(services);
            return rc;
        }
    }
    *out_services = services;
    return 0;
}

const struct registry *services_registry(const struct services *services)
{
    return services->registry;
}

void services_health(void *arg, struct json_writer *w)
{
    (void) arg;
    json_key(w, STR("instances"));
    json_object_begin(w);
    json_object_end(w);
}

void services_stop(struct services *services)
{
    registry_stop(services->registry);
}

void services_free(struct services *services)
{
    if (services == NULL)
        return;
    registry_free(services->registry);
    free(services);
}
