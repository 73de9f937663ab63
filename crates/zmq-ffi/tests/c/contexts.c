/* Contexts: every option, how many sockets there may be, and every way to an end. */
#define _GNU_SOURCE
#include "say.h"
#include <dirent.h>
#include <sched.h>

static const struct { int option; const char *name; } options[] = {
    {ZMQ_IO_THREADS, "io threads"},
    {ZMQ_MAX_SOCKETS, "max sockets"},
    {ZMQ_THREAD_PRIORITY, "thread priority, socket limit"},
    {ZMQ_THREAD_SCHED_POLICY, "thread sched policy"},
    {ZMQ_MAX_MSGSZ, "max message size"},
    {ZMQ_MSG_T_SIZE, "message size"},
    {ZMQ_THREAD_AFFINITY_CPU_ADD, "cpu add"},
    {ZMQ_THREAD_AFFINITY_CPU_REMOVE, "cpu remove"},
    {ZMQ_THREAD_NAME_PREFIX, "thread name prefix"},
    {ZMQ_IPV6, "ipv6"},
    {ZMQ_BLOCKY, "blocky"},
    {0, "none"}, {-1, "none"}, {11, "none"}, {71, "none"},
};

/* What it is at first, what it takes, and what it is then. */
static void option (int option, const char *name)
{
    static const int values[] = {-2, -1, 0, 1, 2, 3, 100, 65535, 65536, 0x7fffffff};
    void *context = zmq_ctx_new ();
    printf ("%s:", name);
    for (int i = -1; i < (int) (sizeof values / sizeof values[0]); i++) {
        if (i >= 0) {
            errno = 0;
            int rc = zmq_ctx_set (context, option, values[i]);
            printf ("; set %d = %s", values[i], rc == 0 ? "0" : name_of (zmq_errno ()));
        }
        errno = 0;
        int value = zmq_ctx_get (context, option);
        if (value == -1 && errno)
            printf (" get = %s", name_of (zmq_errno ()));
        else
            printf (" get = %d", value);
    }
    puts ("");
    SAY (zmq_ctx_term (context));
}

/* How many threads have names that begin so, and of them how many run on this processor alone and in batches. */
static void count_threads (const char *prefix, int processor, int *named, int *as_said)
{
    DIR *tasks = opendir ("/proc/self/task");
    struct dirent *task;
    *named = *as_said = 0;
    while ((task = readdir (tasks))) {
        char path[300], name[32] = "";
        snprintf (path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        int file = open (path, O_RDONLY);
        if (file < 0 || read (file, name, sizeof name - 1) < 0)
            name[0] = 0;
        close (file);
        if (strncmp (name, prefix, strlen (prefix)) != 0)
            continue;
        cpu_set_t processors;
        pid_t thread = atoi (task->d_name);
        sched_getaffinity (thread, sizeof processors, &processors);
        *named += 1;
        *as_said += CPU_COUNT (&processors) == 1 && CPU_ISSET (processor, &processors)
                    && sched_getscheduler (thread) == SCHED_BATCH;
    }
    closedir (tasks);
}

static void scheduling (void)
{
    void *context = zmq_ctx_new ();
    cpu_set_t all, later;
    sched_getaffinity (0, sizeof all, &all);
    int first = -1;
    for (int processor = 0; processor < CPU_SETSIZE; processor++)
        if (CPU_ISSET (processor, &all)) {
            assert (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_ADD, processor) == 0);
            if (first < 0)
                first = processor;
            else
                assert (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, processor) == 0);
        }
    SAY (zmq_ctx_set (context, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 4711));
    SAY (zmq_ctx_set (context, ZMQ_THREAD_SCHED_POLICY, SCHED_BATCH));
    SAY (zmq_ctx_set (context, ZMQ_THREAD_PRIORITY, 0));
    SAY (zmq_ctx_set (context, ZMQ_THREAD_NAME_PREFIX, 77));
    void *a = make (context, ZMQ_PULL);
    SAY (zmq_bind (a, "tcp://127.0.0.1:*"));
    SAY (zmq_socket_monitor (a, "inproc://monitor", ZMQ_EVENT_ALL));
    int named, as_said;
    for (int i = 0; i < 1000; i++) {
        count_threads ("77/", first, &named, &as_said);
        if (named > 0 && named == as_said)
            break;
        usleep (10000);
    }
    sched_getaffinity (0, sizeof later, &later);
    printf ("threads %d, as was said %d, mine as before %d\n", named > 0, named == as_said, CPU_EQUAL (&all, &later));
    zmq_close (a);
    SAY (zmq_ctx_term (context));
}

static void *terminating (void *context)
{
    int rc = zmq_ctx_term (context);
    return (void *) (long) rc;
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        option (options[i].option, options[i].name);

    SAY (zmq_init (-1) == NULL);
    printf ("%s\n", name_of (zmq_errno ()));
    void *context = zmq_init (3);
    SAY (zmq_ctx_get (context, ZMQ_IO_THREADS));
    SAY (zmq_term (context));
    SAY (zmq_term (NULL));
    SAY (zmq_ctx_destroy (zmq_ctx_new ()));
    SAY (zmq_ctx_destroy (NULL));
    SAY (zmq_ctx_get (NULL, ZMQ_IO_THREADS));

    /* Without an I/O thread there is inproc, and nothing else. */
    context = zmq_init (0);
    SAY (zmq_ctx_get (context, ZMQ_IO_THREADS));
    void *a = make (context, ZMQ_PAIR), *b = make (context, ZMQ_PAIR);
    SAY (zmq_bind (a, "tcp://127.0.0.1:*"));
    SAY (zmq_connect (b, "tcp://127.0.0.1:1"));
    SAY (zmq_bind (a, "ipc://*"));
    SAY (zmq_connect (b, "ipc://nobody"));
    join (a, b, "inproc://alone");
    SAY (zmq_send (b, "inside", 6, 0));
    show (a, 0);
    SAY (zmq_close (a));
    SAY (zmq_close (b));
    SAY (zmq_ctx_term (context));

    /* A socket may keep to some of the threads, if they are there. */
    context = zmq_init (2);
    for (uint64_t affinity = 1; affinity < 9; affinity++) {
        a = make (context, ZMQ_PAIR);
        SAY (zmq_setsockopt (a, ZMQ_AFFINITY, &affinity, sizeof affinity));
        SAY (zmq_bind (a, "tcp://127.0.0.1:*"));
        SAY (zmq_connect (a, "tcp://127.0.0.1:1"));
        SAY (zmq_close (a));
    }
    SAY (zmq_ctx_term (context));

    scheduling ();

    /* The limit is that of the sockets that are open; it counts from the first on. */
    context = zmq_ctx_new ();
    SAY (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 2));
    a = make (context, ZMQ_PUB);
    b = make (context, ZMQ_PUB);
    SAY (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 100));
    SAY (zmq_socket (context, ZMQ_PUB) == NULL);
    printf ("%s\n", name_of (zmq_errno ()));
    SAY (zmq_close (a));
    for (int i = 0; i < 1000 && !(a = zmq_socket (context, ZMQ_SUB)); i++)
        usleep (10000);
    printf ("%d\n", a != NULL);
    SAY (zmq_close (a));
    SAY (zmq_close (b));
    SAY (zmq_ctx_term (context));

    /* What a context says of messages and of IPv6 its sockets say from the start. */
    context = zmq_ctx_new ();
    SAY (zmq_ctx_set (context, ZMQ_MAX_MSGSZ, 1000));
    SAY (zmq_ctx_set (context, ZMQ_IPV6, 1));
    SAY (zmq_ctx_set (context, ZMQ_BLOCKY, 0));
    a = zmq_socket (context, ZMQ_PUSH);
    int64_t limit = 0;
    size_t size = sizeof limit;
    SAY (zmq_getsockopt (a, ZMQ_MAXMSGSIZE, &limit, &size));
    printf ("%lld %d %d\n", (long long) limit, get (a, ZMQ_IPV6), get (a, ZMQ_LINGER));
    /* And those that are there keep what they have. */
    SAY (zmq_ctx_set (context, ZMQ_IPV6, 0));
    SAY (zmq_ctx_set (context, ZMQ_BLOCKY, 1));
    b = zmq_socket (context, ZMQ_PUSH);
    printf ("%d %d, %d %d\n", get (a, ZMQ_IPV6), get (a, ZMQ_LINGER), get (b, ZMQ_IPV6), get (b, ZMQ_LINGER));
    SAY (zmq_close (a));
    SAY (zmq_close (b));
    SAY (zmq_ctx_term (context));

    /* Shut down before the first socket, and before the last. */
    context = zmq_ctx_new ();
    SAY (zmq_ctx_shutdown (context));
    SAY (zmq_ctx_term (context));
    context = zmq_ctx_new ();
    a = make (context, ZMQ_PAIR);
    SAY (zmq_bind (a, "inproc://a"));
    SAY (zmq_ctx_shutdown (context));
    SAY (zmq_ctx_get (context, ZMQ_IO_THREADS));
    SAY (zmq_socket (context, ZMQ_PUSH) == NULL);
    printf ("%s\n", name_of (zmq_errno ()));
    SAY (get (a, ZMQ_EVENTS) == -ETERM);
    SAY (zmq_unbind (a, "inproc://a"));
    SAY (zmq_disconnect (a, "inproc://a"));
    SAY (zmq_socket_monitor (a, "inproc://monitor", ZMQ_EVENT_ALL));
    SAY (zmq_send (a, "", 0, 0));
    SAY (zmq_recv (a, NULL, 0, ZMQ_DONTWAIT));
    zmq_pollitem_t item = {a, 0, ZMQ_POLLIN, 0};
    SAY (zmq_poll (&item, 1, 0));
    SAY (zmq_poll (&item, 1, -1));
    zmq_msg_t msg;
    zmq_msg_init_size (&msg, 5);
    SAY (zmq_msg_send (&msg, a, 0));
    SAY (zmq_msg_size (&msg));
    SAY (zmq_msg_recv (&msg, a, 0));
    SAY (zmq_msg_size (&msg));
    SAY (zmq_msg_close (&msg));
    pthread_t thread;
    pthread_create (&thread, NULL, terminating, context);
    usleep (50000);
    SAY (zmq_close (a));
    void *rc;
    pthread_join (thread, &rc);
    printf ("%ld\n", (long) rc);

    /* Who is connected to nobody in the process does not hold the end up. */
    context = zmq_ctx_new ();
    a = zmq_socket (context, ZMQ_PUSH);
    SAY (zmq_connect (a, "inproc://never bound"));
    SAY (zmq_send (a, "lost", 4, 0));
    SAY (zmq_close (a));
    SAY (zmq_ctx_term (context));
    return 0;
}
