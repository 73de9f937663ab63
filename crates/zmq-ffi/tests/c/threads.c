/* Threads: one context for many, sockets and messages that go from one to another, and what ends them all. */
#include "say.h"
#include <poll.h>
#include <sys/resource.h>

enum { THREADS = 8 };

struct job {
    void *context, *socket;
    const char *endpoint;
    int number;
    long result;
};

static void *start (void (*function) (void *), void *argument)
{
    void *thread = zmq_threadstart (function, argument);
    assert (thread);
    return thread;
}

/* As many threads as there are jobs, until all are done; the sum of what they say. */
static long all (void (*function) (void *), struct job *jobs, int count)
{
    void *threads[THREADS];
    long sum = 0;
    for (int i = 0; i < count; i++)
        threads[i] = start (function, &jobs[i]);
    for (int i = 0; i < count; i++) {
        zmq_threadclose (threads[i]);
        sum += jobs[i].result;
    }
    return sum;
}

static void fill (struct job *jobs, int count, void *context, const char *endpoint)
{
    for (int i = 0; i < count; i++)
        jobs[i] = (struct job) {context, NULL, endpoint, i, 0};
}

/* ---- Sockets that come and go in all of them */

static void come_and_go (void *argument)
{
    struct job *job = argument;
    for (int i = 0; i < 40; i++) {
        char wild[64];
        snprintf (wild, sizeof wild, job->endpoint, job->number * 100 + i);
        void *pull = make (job->context, ZMQ_PULL), *push = make (job->context, ZMQ_PUSH);
        join (pull, push, wild);
        int number = i;
        zmq_send (push, &number, sizeof number, 0);
        if (zmq_recv (pull, &number, sizeof number, 0) == sizeof number && number == i)
            job->result++;
        zmq_close (i % 2 ? push : pull);
        zmq_close (i % 2 ? pull : push);
    }
}

static void send_numbers (void *argument)
{
    struct job *job = argument;
    void *push = zmq_socket (job->context, ZMQ_PUSH);
    zmq_connect (push, job->endpoint);
    for (int i = 0; i < 1000; i++) {
        int numbers[2] = {job->number, i};
        job->result += zmq_send (push, numbers, sizeof numbers, 0) == sizeof numbers;
    }
    zmq_close (push);
}

static void many_to_one (void *context, const char *wild)
{
    struct job jobs[THREADS];
    char endpoint[256];
    size_t size = sizeof endpoint;
    void *pull = make (context, ZMQ_PULL), *threads[THREADS];
    zmq_bind (pull, wild);
    zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &size);
    fill (jobs, THREADS, context, endpoint);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start (send_numbers, &jobs[i]);
    int next[THREADS] = {0}, in_order = 0, numbers[2];
    for (int i = 0; i < THREADS * 1000; i++) {
        if (zmq_recv (pull, numbers, sizeof numbers, 0) != sizeof numbers)
            break;
        in_order += next[numbers[0]]++ == numbers[1];
    }
    for (int i = 0; i < THREADS; i++)
        zmq_threadclose (threads[i]);
    printf ("%s: %d in order\n", wild, in_order);
    zmq_close (pull);
}

/* ---- A socket that goes from thread to thread */

/* Whose turn it is with the socket; who gives it on has done everything before. */
static int turn;

static void take_turns (void *argument)
{
    struct job *job = argument;
    for (int round = 0; round < 50; round++) {
        while (__atomic_load_n (&turn, __ATOMIC_SEQ_CST) % 4 != job->number)
            sched_yield ();
        int number = turn;
        zmq_send (job->socket, &number, sizeof number, 0);
        if (zmq_recv (job->socket, &number, sizeof number, 0) == sizeof number && number == turn)
            job->result++;
        __atomic_fetch_add (&turn, 1, __ATOMIC_SEQ_CST);
    }
}

static void echo (void *socket)
{
    int number;
    while (zmq_recv (socket, &number, sizeof number, 0) == sizeof number && number >= 0)
        zmq_send (socket, &number, sizeof number, 0);
    zmq_close (socket);
}

static void migration (void *context, const char *wild)
{
    void *mine = make (context, ZMQ_PAIR), *other = make (context, ZMQ_PAIR);
    join (other, mine, wild);
    void *thread = start (echo, other);
    struct job jobs[4];
    fill (jobs, 4, context, NULL);
    for (int i = 0; i < 4; i++)
        jobs[i].socket = mine;
    turn = 0;
    printf ("%s: %ld turns\n", wild, all (take_turns, jobs, 4));
    int end = -1;
    zmq_send (mine, &end, sizeof end, 0);
    zmq_threadclose (thread);
    zmq_close (mine);
}

/* ---- Proxies */

static void *proxied[3], *control;

static void proxy (void *argument)
{
    struct job *job = argument;
    errno = 0;
    job->result = job->number ? zmq_proxy_steerable (proxied[0], proxied[1], NULL, control)
                              : zmq_proxy (proxied[0], proxied[1], proxied[2]);
    job->number = zmq_errno ();
    zmq_close (proxied[0]);
    zmq_close (proxied[1]);
}

static void answer (void *argument)
{
    struct job *job = argument;
    void *rep = zmq_socket (job->context, ZMQ_REP);
    set (rep, ZMQ_LINGER, 0);
    zmq_connect (rep, "inproc://back");
    int number;
    while (zmq_recv (rep, &number, sizeof number, 0) == sizeof number) {
        number = -number;
        zmq_send (rep, &number, sizeof number, 0);
        __atomic_fetch_add (&job->result, 1, __ATOMIC_SEQ_CST);
    }
    job->number = zmq_errno ();
    zmq_close (rep);
}

static void ask (void *argument)
{
    struct job *job = argument;
    void *req = make (job->context, ZMQ_REQ);
    zmq_connect (req, job->endpoint);
    for (int i = 1; i <= 100; i++) {
        int number = i;
        zmq_send (req, &number, sizeof number, 0);
        if (zmq_recv (req, &number, sizeof number, 0) == sizeof number && number == -i)
            job->result++;
    }
    zmq_close (req);
}

static void proxies (const char *wild)
{
    void *context = zmq_ctx_new ();
    proxied[0] = make (context, ZMQ_ROUTER);
    proxied[1] = make (context, ZMQ_DEALER);
    proxied[2] = NULL;
    char endpoint[256];
    size_t size = sizeof endpoint;
    zmq_bind (proxied[0], wild);
    zmq_getsockopt (proxied[0], ZMQ_LAST_ENDPOINT, endpoint, &size);
    zmq_bind (proxied[1], "inproc://back");
    struct job between = {context, NULL, NULL, 0, 0}, workers[3], clients[4];
    fill (workers, 3, context, NULL);
    fill (clients, 4, context, endpoint);
    void *threads[4] = {start (proxy, &between)};
    for (int i = 0; i < 3; i++)
        threads[i + 1] = start (answer, &workers[i]);
    printf ("%s: %ld answered", wild, all (ask, clients, 4));
    /* Everybody else is waiting. */
    printf (", terminated %d", zmq_ctx_term (context));
    for (int i = 0; i < 4; i++)
        zmq_threadclose (threads[i]);
    printf (", proxy %ld %s", between.result, name_of (between.number));
    for (int i = 0; i < 3; i++)
        printf (", worker %s", name_of (workers[i].number));
    printf (", %ld in all\n", workers[0].result + workers[1].result + workers[2].result);
}

/* What a proxy that is told so has counted. */
static void statistics (void *controller)
{
    uint64_t value;
    zmq_send (controller, "STATISTICS", 10, 0);
    do {
        if (zmq_recv (controller, &value, sizeof value, 0) != sizeof value)
            break;
        printf (" %d", (int) value);
    } while (get (controller, ZMQ_RCVMORE));
    puts ("");
}

static void steered (void)
{
    void *context = zmq_ctx_new ();
    proxied[0] = make (context, ZMQ_PULL);
    proxied[1] = make (context, ZMQ_PUSH);
    control = make (context, ZMQ_PAIR);
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL), *controller = make (context, ZMQ_PAIR);
    join (proxied[0], push, "inproc://front");
    join (proxied[1], pull, "inproc://back");
    join (control, controller, "inproc://control");
    struct job between = {context, NULL, NULL, 1, 0};
    void *thread = start (proxy, &between);
    zmq_send (push, "first", 5, 0);
    show (pull, 0);
    statistics (controller);
    zmq_send (controller, "PAUSE", 5, 0);
    statistics (controller);
    zmq_send (push, "second", 6, 0);
    set (pull, ZMQ_RCVTIMEO, 50);
    show (pull, 0);
    set (pull, ZMQ_RCVTIMEO, 10000);
    zmq_send (controller, "RESUME", 6, 0);
    show (pull, 0);
    statistics (controller);
    zmq_send (controller, "TERMINATE", 9, 0);
    zmq_threadclose (thread);
    printf ("steered %ld\n", between.result);
    zmq_close (control);
    zmq_close (push);
    zmq_close (pull);
    zmq_close (controller);
    SAY (zmq_ctx_term (context));
}

/* ---- Many things to wait for */

enum { SOCKETS = 500, PIPES = 500, ITEMS = SOCKETS + PIPES };

static zmq_pollitem_t items[ITEMS];
static int ends[PIPES];

/* Something happens to the item of this number: to a socket or to a pipe, by turns. */
static void stir (void *context, int item)
{
    if (item % 2) {
        assert (write (ends[item / 2], "x", 1) == 1);
        return;
    }
    char endpoint[64];
    void *push = zmq_socket (context, ZMQ_PUSH);
    snprintf (endpoint, sizeof endpoint, "inproc://item %d", item);
    zmq_connect (push, endpoint);
    zmq_send (push, "x", 1, 0);
    zmq_close (push);
}

static void stir_later (void *argument)
{
    struct job *job = argument;
    usleep (20000);
    stir (job->context, job->number);
}

static void calm (int item)
{
    char byte = 0;
    long got = item % 2 ? read (items[item].fd, &byte, 1) : zmq_recv (items[item].socket, &byte, 1, 0);
    assert (got == 1 && byte == 'x');
}

static void thousand_items (void)
{
    struct rlimit limit;
    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    assert (setrlimit (RLIMIT_NOFILE, &limit) == 0);
    void *context = zmq_ctx_new ();
    zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 4000);
    for (int item = 0; item < ITEMS; item++) {
        items[item] = (zmq_pollitem_t) {NULL, 0, ZMQ_POLLIN, 0};
        if (item % 2) {
            int both[2];
            assert (pipe (both) == 0);
            items[item].fd = both[0];
            ends[item / 2] = both[1];
        } else {
            char endpoint[64];
            snprintf (endpoint, sizeof endpoint, "inproc://item %d", item);
            items[item].socket = make (context, ZMQ_PULL);
            assert (zmq_bind (items[item].socket, endpoint) == 0);
        }
    }
    SAY (zmq_poll (items, ITEMS, 0));
    int right = 0;
    for (int i = 0; i < 20; i++) {
        struct job job = {context, NULL, NULL, i * 337 % ITEMS, 0};
        void *thread = start (stir_later, &job);
        right += zmq_poll (items, ITEMS, -1) == 1 && items[job.number].revents == ZMQ_POLLIN;
        calm (job.number);
        zmq_threadclose (thread);
    }
    printf ("%d of 20 found\n", right);
    for (int item = 0; item < ITEMS; item++)
        stir (context, item);
    SAY (zmq_poll (items, ITEMS, -1));
    for (int item = 0; item < ITEMS; item++)
        if (item % 3)
            calm (item);
    SAY (zmq_poll (items, ITEMS, -1));
    for (int item = 0; item < ITEMS; item++) {
        if (item % 3 == 0)
            calm (item);
        if (item % 2) {
            close (items[item].fd);
            close (ends[item / 2]);
        } else
            zmq_close (items[item].socket);
    }
    SAY (zmq_ctx_term (context));
}

/* ---- Messages that go from thread to thread as bytes, and who frees what is in them */

enum { MESSAGES = 2000 };

static int freed[MESSAGES];

static void count_freed (void *data, void *hint)
{
    memset (data, 0xee, 8);
    free (data);
    __atomic_fetch_add (&freed[(size_t) hint], 1, __ATOMIC_SEQ_CST);
}

static size_t size_of (size_t number)
{
    return 8 + number * 7919 % 3000;
}

static void build (zmq_msg_t *msg, size_t number)
{
    size_t size = size_of (number);
    uint64_t *data = malloc (size);
    *data = number;
    assert (zmq_msg_init_data (msg, data, size, count_freed, (void *) number) == 0);
}

static int is_whole (zmq_msg_t *msg)
{
    uint64_t number;
    memcpy (&number, zmq_msg_data (msg), sizeof number);
    return number < MESSAGES && zmq_msg_size (msg) == size_of (number);
}

static void show_freed (const char *what)
{
    int counts[4] = {0};
    for (int i = 0; i < MESSAGES; i++) {
        counts[freed[i] < 3 ? freed[i] : 3]++;
        freed[i] = 0;
    }
    printf ("%s: %d not freed, %d once, %d more often\n", what, counts[0], counts[1], counts[2] + counts[3]);
}

static struct { unsigned char bytes[sizeof (zmq_msg_t)]; } belt[2 * MESSAGES];
static int loaded, taken;
static pthread_mutex_t at_the_belt = PTHREAD_MUTEX_INITIALIZER;

static void load (zmq_msg_t *msg)
{
    pthread_mutex_lock (&at_the_belt);
    memcpy (&belt[loaded++], msg, sizeof *msg);
    pthread_mutex_unlock (&at_the_belt);
}

static void produce (void *argument)
{
    struct job *job = argument;
    for (int i = job->number; i < MESSAGES; i += 4) {
        zmq_msg_t msg, copy;
        build (&msg, i);
        /* One of three is two that share. */
        zmq_msg_init (&copy);
        if (i % 3 == 0)
            zmq_msg_copy (&copy, &msg);
        load (&msg);
        if (i % 3 == 0)
            load (&copy);
        else
            zmq_msg_close (&copy);
    }
}

static void consume (void *argument)
{
    struct job *job = argument;
    for (;;) {
        zmq_msg_t msg, moved;
        pthread_mutex_lock (&at_the_belt);
        int there = taken < loaded, over = taken == job->number;
        if (there)
            memcpy (&msg, &belt[taken++], sizeof msg);
        pthread_mutex_unlock (&at_the_belt);
        if (over)
            return;
        if (!there) {
            sched_yield ();
            continue;
        }
        job->result += is_whole (&msg);
        zmq_msg_init (&moved);
        zmq_msg_move (&moved, &msg);
        zmq_msg_close (&msg);
        zmq_msg_close (&moved);
    }
}

static void by_memcpy (void)
{
    struct job jobs[THREADS];
    void *threads[THREADS];
    fill (jobs, THREADS, NULL, NULL);
    loaded = taken = 0;
    long whole = 0;
    for (int i = 0; i < THREADS; i++) {
        if (i >= 4)
            jobs[i].number = MESSAGES + (MESSAGES + 2) / 3;
        threads[i] = start (i < 4 ? produce : consume, &jobs[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        zmq_threadclose (threads[i]);
        whole += jobs[i].result;
    }
    printf ("%ld whole\n", whole);
    show_freed ("by memcpy");
}

static void send_built (void *argument)
{
    struct job *job = argument;
    void *push = zmq_socket (job->context, ZMQ_PUSH);
    set (push, ZMQ_LINGER, 0);
    zmq_connect (push, job->endpoint);
    for (int i = job->number; i < MESSAGES; i += 4) {
        zmq_msg_t msg;
        build (&msg, i);
        if (zmq_msg_send (&msg, push, job->result ? ZMQ_DONTWAIT : 0) < 0)
            zmq_msg_close (&msg);
    }
    job->socket = push;
}

/* Sent, received by some, dropped with others: all freed in the end. */
static void over (const char *wild, int received)
{
    void *context = zmq_ctx_new (), *pull = make (context, ZMQ_PULL), *threads[4];
    struct job jobs[4];
    char endpoint[256];
    size_t size = sizeof endpoint;
    zmq_bind (pull, wild);
    zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &size);
    fill (jobs, 4, context, endpoint);
    for (int i = 0; i < 4; i++) {
        jobs[i].result = received < MESSAGES;
        threads[i] = start (send_built, &jobs[i]);
    }
    int whole = 0;
    for (int i = 0; i < received; i++) {
        zmq_msg_t msg;
        zmq_msg_init (&msg);
        if (zmq_msg_recv (&msg, pull, 0) < 0)
            break;
        whole += is_whole (&msg);
        zmq_msg_close (&msg);
    }
    for (int i = 0; i < 4; i++) {
        zmq_threadclose (threads[i]);
        zmq_close (jobs[i].socket);
    }
    zmq_close (pull);
    SAY (zmq_ctx_term (context));
    printf ("%s: %d whole\n", wild, whole);
    show_freed (wild);
}

/* ---- Everything that waits ends with the context */

static void wait_to_receive (void *argument)
{
    struct job *job = argument;
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    job->result = zmq_msg_recv (&msg, job->socket, 0);
    job->number = zmq_errno ();
    zmq_msg_close (&msg);
    zmq_close (job->socket);
}

static void wait_to_send (void *argument)
{
    struct job *job = argument;
    job->result = zmq_send (job->socket, "x", 1, 0);
    job->number = zmq_errno ();
    zmq_close (job->socket);
}

static void wait_to_poll (void *argument)
{
    struct job *job = argument;
    zmq_pollitem_t waiting[] = {{NULL, STDERR_FILENO, ZMQ_POLLPRI, 0}, {job->socket, 0, ZMQ_POLLIN, 0}};
    job->result = zmq_poll (waiting, 2, -1);
    job->number = zmq_errno ();
    zmq_close (job->socket);
}

static void wait_for_events (void *argument)
{
    struct job *job = argument;
    struct pollfd fd = {get (job->socket, ZMQ_FD), POLLIN, 0};
    while (get (job->socket, ZMQ_EVENTS) >= 0)
        poll (&fd, 1, -1);
    job->result = -1;
    job->number = -get (job->socket, ZMQ_EVENTS);
    zmq_close (job->socket);
}

static void everything_ends (int shut_down)
{
    static void (*const waits[]) (void *) = {wait_to_receive, wait_to_send, wait_to_poll, wait_for_events};
    static const int types[] = {ZMQ_SUB, ZMQ_PUSH, ZMQ_PULL, ZMQ_REP};
    void *context = zmq_ctx_new (), *threads[THREADS];
    struct job jobs[THREADS];
    fill (jobs, THREADS, context, NULL);
    for (int i = 0; i < THREADS; i++) {
        jobs[i].socket = zmq_socket (context, types[i % 4]);
        set (jobs[i].socket, ZMQ_LINGER, 0);
        zmq_bind (jobs[i].socket, "tcp://127.0.0.1:*");
        threads[i] = start (waits[i % 4], &jobs[i]);
    }
    usleep (50000);
    if (shut_down)
        SAY (zmq_ctx_shutdown (context));
    else
        SAY (zmq_ctx_term (context));
    for (int i = 0; i < THREADS; i++) {
        zmq_threadclose (threads[i]);
        printf ("%ld %s\n", jobs[i].result, name_of (jobs[i].number));
    }
    if (shut_down)
        SAY (zmq_ctx_term (context));
}

static void count (void *argument)
{
    struct job *job = argument;
    for (int i = 0; i < 10000; i++)
        zmq_atomic_counter_inc (job->socket);
    /* 1 as long as something is left. */
    for (int i = 0; i < 9999; i++)
        job->result += zmq_atomic_counter_dec (job->socket);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    void *context = zmq_ctx_new ();
    struct job jobs[THREADS];
    fill (jobs, THREADS, context, "inproc://%d");
    printf ("inproc: %ld\n", all (come_and_go, jobs, THREADS));
    fill (jobs, THREADS, context, "tcp://127.0.0.1:*");
    printf ("tcp: %ld\n", all (come_and_go, jobs, THREADS));
    fill (jobs, THREADS, context, "ipc://*");
    printf ("ipc: %ld\n", all (come_and_go, jobs, THREADS));
    static const char *const endpoints[] = {"inproc://threads", "tcp://127.0.0.1:*", "ipc://*"};
    for (int i = 0; i < 3; i++) {
        many_to_one (context, endpoints[i]);
        migration (context, i ? endpoints[i] : "inproc://migration");
        proxies (endpoints[i]);
    }
    SAY (zmq_ctx_term (context));
    steered ();
    thousand_items ();
    by_memcpy ();
    for (int i = 0; i < 3; i++) {
        over (endpoints[i], MESSAGES);
        over (endpoints[i], 100);
        over (endpoints[i], 0);
    }
    everything_ends (0);
    everything_ends (1);
    void *counter = zmq_atomic_counter_new ();
    for (int i = 0; i < THREADS; i++)
        jobs[i] = (struct job) {NULL, counter, NULL, i, 0};
    printf ("more %ld", all (count, jobs, THREADS));
    printf (", left %d\n", zmq_atomic_counter_value (counter));
    zmq_atomic_counter_destroy (&counter);
    return 0;
}
