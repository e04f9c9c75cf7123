#pragma once
/* What the files of the spawner share: its state, and the life of one sandbox in it.
 *
 *   spawner.c  the process: what main asks, the loop
 *   slot.c     one sandbox: parts, clone, what it says, its end
 *   shells.c   finished sandboxes that belong to nobody yet */
#include "sandbox/build.h"
#include "sandbox/netns.h"
#include "sandbox/outbox.h"
#include "sandbox/spawner_init.h"
#include "sandbox/wire.h"

/* A slot, with the uid that belongs to it; see spawner.c for the drawing. */
enum slot_state { SLOT_FREE, SLOT_BUILDING, SLOT_SHELL, SLOT_LIVE, SLOT_ENDING };

struct slot {
    enum slot_state state;
    uint64_t id; /* main's; 0: a shell */
    pid_t pid;
    int pidfd;      /* of virga-init; open from BUILDING to ENDING */
    int status_fd;  /* read end of its status pipe */
    int control_fd; /* main's ends, until MADE is sent */
    int log_fd;
    int mounts_fd;      /* SHELL: its mount namespace; else -1 */
    struct netns netns; /* its listeners until MADE is sent, the namespace until the end */
    struct cgroup cgroup;
    struct tmp tmp;
    int64_t asked_us;
    unsigned status_records;
    bool is_shell; /* from its beginning until it is given away */
    bool has_egress;
    bool is_doomed; /* a shell that was killed, until its end is seen */
    bool was_live, was_started, has_result, was_ended_said;
    struct wire_event last; /* FAILED or GONE, being filled */
};

/* How many shells are worth having, from how many were missed and how many lay idle. */
struct stock {
    unsigned base, max, wanted;
    unsigned bound; /* at most max: memory was short in this period */
    unsigned least; /* on the shelf at any time of this period */
    int64_t period_ends_us;
};

struct spawner_process {
    const struct spawner_config *config;
    struct spawner_parts parts;
    int epoll_fd;
    int socket_fd; /* -1: main is gone */
    struct outbox outbox;
    bool is_writable_awaited;
    struct slot *slots;  /* slot_total */
    unsigned slot_total; /* config->slot_count for main, config->pool_max for shells */
    unsigned used_count, building_count, ending_count;
    unsigned shell_count; /* of used_count, those that are nobody's, being built or done */
    unsigned next_slot;   /* where the search for a free one begins: oldest uid first */
    struct stock stock;
    unsigned shells_told; /* to main */
    bool is_shell_broken; /* one did not come to life: none are made until main asks again */
    int64_t asked_us;     /* when main last wanted something */
    int64_t sample_us;    /* without control groups: when somebody's memory is to be looked at */
};

/* What an epoll event belongs to: the socket, or a slot's pidfd, status pipe, cgroup, or what main
 * asks of one that has none. */
enum watch { WATCH_SOCKET, WATCH_PROCESS, WATCH_STATUS, WATCH_MEMORY, WATCH_ASKED };

/* slot.c */
int64_t spawner_now_us(void);
void slot_close_fd(int *fd);
CHECK_RESULT int spawner_watch(struct spawner_process *sp, int fd, enum watch what, unsigned slot,
                               struct err *err);
struct slot *slot_find_free(struct spawner_process *sp);
/* Begins a sandbox in a FREE slot, which is BUILDING then. id 0: a shell. request: its limits, /tmp
 * and network; a shell takes its size of /tmp from there, the rest when it is given away. On
 * failure nothing is left. */
CHECK_RESULT int slot_begin(struct spawner_process *sp, struct slot *slot,
                            const struct wire_request *request, const struct root_dirs *dirs,
                            struct err *err);
/* Gives a shell to a request: its directories, limits and network first, then MADE. A shell for
 * which that fails ends as FAILED. */
void slot_assign(struct spawner_process *sp, struct slot *slot, const struct wire_request *request,
                 const struct root_dirs *dirs);
void slot_status_readable(struct spawner_process *sp, struct slot *slot);
void slot_process_ended(struct spawner_process *sp, struct slot *slot);
void slots_finish_ending(struct spawner_process *sp);
void slot_fail_say(struct wire_event *event, int code, const char *reason);

/* shells.c */
void stock_init(struct stock *stock, unsigned base, unsigned max, int64_t now_us);
void stock_took(struct stock *stock, unsigned left);
void stock_missed(struct stock *stock);
/* So many are to go, of those there are, and do not come back in this period. */
void stock_shrink(struct stock *stock, unsigned there, unsigned count);
/* At the end of a period, what lay on the shelf all the time is halved. */
void stock_turn(struct stock *stock, int64_t now_us, unsigned left);

/* A shell for the request; NULL: none fits. */
struct slot *shells_take(struct spawner_process *sp, const struct wire_request *request);
/* Memory is short: so many go at once, or all. */
void shells_shrink(struct spawner_process *sp, unsigned count);
/* Makes or removes one in an idle moment. */
void shells_tend(struct spawner_process *sp);
/* How long nothing must happen until shells_tend has something to do; -1: nothing is to be done. */
int shells_wait_ms(const struct spawner_process *sp);
