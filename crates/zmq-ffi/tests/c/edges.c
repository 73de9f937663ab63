/* ZMQ_FD under stress: whoever waits for its edges alone, and asks for ZMQ_EVENTS after each as the manual says, misses
 * nothing. If an edge is lost both sides wait for ever, and the alarm ends the program. */
#include "say.h"
#include <poll.h>
#include <sys/epoll.h>

#define MESSAGES 1000

struct end {
    void *socket;
    unsigned seed;
    int waits_by_epoll, fd, epoll;
    void (*work) (struct end *);
    long done;
    pthread_t thread;
};

static unsigned chance (struct end *end)
{
    end->seed = end->seed * 1103515245 + 12345;
    return end->seed >> 16;
}

/* Mostly none, sometimes long enough for the other side to go to sleep. */
static void pause_at_random (struct end *end)
{
    unsigned number = chance (end) % 100;
    if (number < 5)
        usleep (chance (end) % 1000);
    else if (number < 15)
        for (volatile int i = 0; i < 3000; i++)
            ;
}

static void await (struct end *end, int wanted)
{
    while (!(get (end->socket, ZMQ_EVENTS) & wanted)) {
        struct pollfd fd = {end->fd, POLLIN, 0};
        struct epoll_event event;
        int rc = end->waits_by_epoll ? epoll_wait (end->epoll, &event, 1, -1) : poll (&fd, 1, -1);
        /* Whoever is stopped and goes on is interrupted in epoll_wait. */
        assert (rc == 1 || errno == EINTR);
    }
}

static void send_number (struct end *end, long number, int flags)
{
    int rc;
    while ((rc = zmq_send (end->socket, &number, sizeof number, ZMQ_DONTWAIT | flags)) < 0) {
        assert (zmq_errno () == EAGAIN);
        await (end, ZMQ_POLLOUT);
    }
}

static long receive_number (struct end *end)
{
    long number = -1;
    while (zmq_recv (end->socket, &number, sizeof number, ZMQ_DONTWAIT) != sizeof number) {
        assert (zmq_errno () == EAGAIN);
        await (end, ZMQ_POLLIN);
    }
    return number;
}

static void send_all (struct end *end)
{
    for (long i = 0; i < MESSAGES; i++) {
        pause_at_random (end);
        send_number (end, i, 0);
        end->done++;
    }
}

static void receive_all (struct end *end)
{
    for (long i = 0; i < MESSAGES; i++) {
        pause_at_random (end);
        end->done += receive_number (end) == i;
    }
}

/* Waits before each message, and takes all there is. */
static void drain_all (struct end *end)
{
    while (end->done < MESSAGES) {
        await (end, ZMQ_POLLIN);
        long number;
        while (zmq_recv (end->socket, &number, sizeof number, ZMQ_DONTWAIT) == sizeof number)
            end->done += number == end->done;
    }
}

static void ask_all (struct end *end)
{
    for (long i = 0; i < MESSAGES; i++) {
        pause_at_random (end);
        send_number (end, i, 0);
        end->done += receive_number (end) == i;
    }
}

static void answer_all (struct end *end)
{
    for (long i = 0; i < MESSAGES; i++) {
        long number = receive_number (end);
        pause_at_random (end);
        send_number (end, number, 0);
        end->done++;
    }
}

static void route_all (struct end *end)
{
    for (long i = 0; i < MESSAGES; i++) {
        char id[256];
        int size;
        await (end, ZMQ_POLLIN);
        size = zmq_recv (end->socket, id, sizeof id, ZMQ_DONTWAIT);
        assert (size > 0);
        long number = receive_number (end);
        pause_at_random (end);
        int rc = zmq_send (end->socket, id, size, ZMQ_SNDMORE);
        assert (rc == size);
        send_number (end, number, 0);
        end->done++;
    }
}

/* The first to come is a subscription. */
static void publish_all (struct end *end)
{
    char topic[8];
    await (end, ZMQ_POLLIN);
    int rc = zmq_recv (end->socket, topic, sizeof topic, ZMQ_DONTWAIT);
    assert (rc == 1 && topic[0] == 1);
    send_all (end);
}

static void *run (void *end)
{
    ((struct end *) end)->work (end);
    return NULL;
}

static void meet (void *context, const char *what, int server_type, void (*serve) (struct end *), int client_type,
                  void (*use) (struct end *), const char *wild, int epoll, int hwm)
{
    static int round;
    char inproc[32];
    snprintf (inproc, sizeof inproc, "inproc://%d", ++round);
    void *server = make (context, server_type), *client = make (context, client_type);
    void *sockets[] = {server, client};
    for (int i = 0; i < 2; i++) {
        set (sockets[i], ZMQ_SNDHWM, hwm);
        set (sockets[i], ZMQ_RCVHWM, hwm);
    }
    join (server, client, wild ? wild : inproc);
    struct end ends[2] = {{.work = serve}, {.work = use}};
    for (int i = 0; i < 2; i++) {
        struct end *end = &ends[i];
        end->socket = sockets[i];
        end->seed = round * 2 + i;
        end->fd = get (end->socket, ZMQ_FD);
        end->waits_by_epoll = epoll;
        end->epoll = epoll_create1 (0);
        struct epoll_event event = {.events = EPOLLIN | EPOLLET};
        assert (epoll_ctl (end->epoll, EPOLL_CTL_ADD, end->fd, &event) == 0);
    }
    if (client_type == ZMQ_SUB)
        zmq_setsockopt (client, ZMQ_SUBSCRIBE, "", 0);
    for (int i = 0; i < 2; i++)
        pthread_create (&ends[i].thread, NULL, run, &ends[i]);
    for (int i = 0; i < 2; i++)
        pthread_join (ends[i].thread, NULL);
    printf ("%s, %s, by %s, high-water mark %d: %ld and %ld\n", what, wild ? wild : "inproc", epoll ? "epoll" : "poll", hwm,
            ends[0].done, ends[1].done);
    for (int i = 0; i < 2; i++) {
        close (ends[i].epoll);
        zmq_close (sockets[i]);
    }
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    alarm (110);
    static const char *wild[] = {NULL, "tcp://127.0.0.1:*", "ipc://*"};
    void *context = zmq_ctx_new ();
    for (int i = 0; i < 3; i++)
        for (int epoll = 0; epoll < 2; epoll++) {
            meet (context, "one by one", ZMQ_PULL, receive_all, ZMQ_PUSH, send_all, wild[i], epoll, 1000);
            meet (context, "all there is", ZMQ_PULL, drain_all, ZMQ_PUSH, send_all, wild[i], epoll, 1000);
            meet (context, "no room", ZMQ_PULL, receive_all, ZMQ_PUSH, send_all, wild[i], epoll, 1);
            meet (context, "no room, the other way", ZMQ_PUSH, send_all, ZMQ_PULL, drain_all, wild[i], epoll, 1);
            meet (context, "XPUB and SUB", ZMQ_XPUB, publish_all, ZMQ_SUB, drain_all, wild[i], epoll, 0);
            meet (context, "REP and REQ", ZMQ_REP, answer_all, ZMQ_REQ, ask_all, wild[i], epoll, 1000);
            meet (context, "ROUTER and DEALER", ZMQ_ROUTER, route_all, ZMQ_DEALER, ask_all, wild[i], epoll, 1000);
        }
    return zmq_ctx_term (context);
}
