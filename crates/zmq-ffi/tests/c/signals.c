/* A signal a millisecond, whose handler does not restart calls: everything that waits returns EINTR, and nothing is lost or
 * comes twice. */
#include "say.h"
#include <sys/time.h>

#define MESSAGES 300

static long interrupted;

static void on_signal (int number)
{
    (void) number;
}

static void alarms (int on)
{
    struct itimerval timer = {{0, on ? 1000 : 0}, {0, on ? 1000 : 0}};
    setitimer (ITIMER_REAL, &timer, NULL);
}

/* Whether the call is to be made again. */
static int again (long rc)
{
    if (rc != -1)
        return 0;
    if (zmq_errno () != EINTR) {
        printf ("%s\n", name_of (zmq_errno ()));
        exit (1);
    }
    interrupted++;
    return 1;
}

#define INSIST(call)                                                                                                   \
    while (again (call))                                                                                               \
        ;

/* Threads of their own are not interrupted. */
static pthread_t start (void *(*run) (void *), void *argument)
{
    sigset_t all, before;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    pthread_t thread;
    pthread_create (&thread, NULL, run, argument);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    return thread;
}

/* Sends numbers in messages of two frames, now and then after a few milliseconds. */
static void *send_slowly (void *socket)
{
    for (int i = 0; i < MESSAGES; i++) {
        if (i % 10 == 0)
            usleep (5000);
        assert (zmq_send (socket, &i, sizeof i, ZMQ_SNDMORE) == sizeof i);
        assert (zmq_send (socket, "rest", 4, 0) == 4);
    }
    return NULL;
}

static int received;

/* Takes them as slowly, and counts what is whole and in order. */
static void *receive_slowly (void *socket)
{
    received = 0;
    for (int i = 0; i < MESSAGES; i++) {
        int number = -1, more;
        char rest[8];
        if (i % 10 == 0)
            usleep (5000);
        assert (zmq_recv (socket, &number, sizeof number, 0) == sizeof number);
        more = get (socket, ZMQ_RCVMORE);
        received += zmq_recv (socket, rest, sizeof rest, 0) == 4 && number == i && more && !get (socket, ZMQ_RCVMORE);
    }
    return NULL;
}

static void say (const char *what, int right)
{
    printf ("%s: %d, interrupted %d\n", what, right, interrupted > 0);
    interrupted = 0;
}

/* By zmq_recv, by zmq_msg_recv, and by zmq_poll first. */
static void receiving (void *pull, int way)
{
    int right = 0;
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    for (int i = 0; i < MESSAGES; i++) {
        int number = -1;
        char rest[8];
        zmq_pollitem_t item = {pull, 0, ZMQ_POLLIN, 0};
        if (way == 2)
            INSIST (zmq_poll (&item, 1, -1));
        if (way == 1) {
            INSIST (zmq_msg_recv (&msg, pull, 0));
            if (zmq_msg_size (&msg) == sizeof number)
                memcpy (&number, zmq_msg_data (&msg), sizeof number);
        } else
            INSIST (zmq_recv (pull, &number, sizeof number, way == 2 ? ZMQ_DONTWAIT : 0));
        right += number == i && zmq_recv (pull, rest, sizeof rest, 0) == 4 && !get (pull, ZMQ_RCVMORE);
    }
    zmq_msg_close (&msg);
    say (way == 0 ? "zmq_recv" : way == 1 ? "zmq_msg_recv" : "zmq_poll", right);
}

static void sending (void *push, int way)
{
    for (int i = 0; i < MESSAGES; i++) {
        zmq_msg_t msg;
        zmq_pollitem_t item = {push, 0, ZMQ_POLLOUT, 0};
        if (way == 2)
            INSIST (zmq_poll (&item, 1, -1));
        zmq_msg_init_size (&msg, sizeof i);
        memcpy (zmq_msg_data (&msg), &i, sizeof i);
        if (way == 1)
            INSIST (zmq_msg_send (&msg, push, ZMQ_SNDMORE))
        else
            INSIST (zmq_send (push, &i, sizeof i, ZMQ_SNDMORE));
        zmq_msg_close (&msg);
        INSIST (zmq_send_const (push, "rest", 4, 0));
    }
}

static void over (void *context, const char *wild)
{
    for (int way = 0; way < 3; way++) {
        void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
        char inproc[32];
        snprintf (inproc, sizeof inproc, "inproc://receive%d", way);
        join (pull, push, wild ? wild : inproc);
        pthread_t thread = start (send_slowly, push);
        set (pull, ZMQ_RCVTIMEO, -1);
        alarms (1);
        receiving (pull, way);
        alarms (0);
        pthread_join (thread, NULL);
        zmq_close (push);
        zmq_close (pull);

        push = make (context, ZMQ_PUSH), pull = make (context, ZMQ_PULL);
        snprintf (inproc, sizeof inproc, "inproc://send%d", way);
        set (push, ZMQ_SNDHWM, 1);
        set (pull, ZMQ_RCVHWM, 1);
        set (push, ZMQ_SNDTIMEO, -1);
        join (pull, push, wild ? wild : inproc);
        /* Nobody takes anything at first. */
        alarms (1);
        for (int i = 0; i < 20 || !interrupted; i++) {
            zmq_pollitem_t item = {pull, 0, ZMQ_POLLOUT, 0};
            if (zmq_poll (&item, 1, 10) == -1)
                interrupted++;
        }
        thread = start (receive_slowly, pull);
        sending (push, way);
        alarms (0);
        pthread_join (thread, NULL);
        say (way == 0 ? "zmq_send" : way == 1 ? "zmq_msg_send" : "zmq_poll", received);
        zmq_close (push);
        zmq_close (pull);
    }
}

/* Messages of one frame: a signal between two frames makes libzmq's proxy break the message now and then. */
static void *feed (void *socket)
{
    for (int i = 0; i < MESSAGES; i++) {
        if (i % 10 == 0)
            usleep (5000);
        assert (zmq_send (socket, &i, sizeof i, 0) == sizeof i);
    }
    return NULL;
}

/* Takes what comes out, and ends the proxy. */
static void *end_it (void *sockets)
{
    void **s = sockets;
    received = 0;
    for (int i = 0; i < MESSAGES; i++) {
        int number = -1;
        assert (zmq_recv (s[0], &number, sizeof number, 0) == sizeof number);
        received += number == i;
    }
    zmq_ctx_shutdown (s[1]);
    return NULL;
}

static void proxying (const char *wild)
{
    void *context = zmq_ctx_new (), *other = zmq_ctx_new ();
    void *front = make (context, ZMQ_PULL), *back = make (context, ZMQ_PUSH);
    void *push = make (other, ZMQ_PUSH), *pull = make (other, ZMQ_PULL);
    join (front, push, wild);
    join (pull, back, wild);
    void *sockets[] = {pull, context};
    pthread_t receiver = start (end_it, sockets), sender = start (feed, push);
    alarms (1);
    long rc;
    do
        rc = zmq_proxy (front, back, NULL);
    while (rc == -1 && zmq_errno () == EINTR && ++interrupted);
    printf ("%ld %s\n", rc, name_of (zmq_errno ()));
    alarms (0);
    pthread_join (receiver, NULL);
    pthread_join (sender, NULL);
    say ("zmq_proxy", received);
    void *all[] = {front, back, push, pull};
    for (int i = 0; i < 4; i++)
        zmq_close (all[i]);
    zmq_ctx_term (context);
    zmq_ctx_term (other);
}

static void terminating (const char *wild)
{
    void *context = zmq_ctx_new (), *other = zmq_ctx_new ();
    void *push = zmq_socket (context, ZMQ_PUSH), *pull = make (other, ZMQ_PULL);
    set (push, ZMQ_SNDHWM, 0);
    /* As in ending.c. */
    set (pull, ZMQ_RCVHWM, 10);
    join (pull, push, wild);
    static char rest[100000];
    for (int i = 0; i < MESSAGES; i++) {
        assert (zmq_send (push, &i, sizeof i, ZMQ_SNDMORE) == sizeof i);
        assert (zmq_send (push, rest, sizeof rest, 0) == sizeof rest);
    }
    zmq_close (push);
    alarms (1);
    long rc = zmq_ctx_term (context);
    printf ("%ld %s\n", rc, rc == -1 ? name_of (zmq_errno ()) : "");
    int right = 0;
    for (int i = 0; i < MESSAGES; i++) {
        int number = -1;
        INSIST (zmq_recv (pull, &number, sizeof number, 0));
        right += number == i;
        INSIST (zmq_recv (pull, rest, sizeof rest, 0));
    }
    interrupted = 1;
    INSIST (zmq_ctx_term (context));
    alarms (0);
    say ("zmq_ctx_term", right);
    zmq_close (pull);
    zmq_ctx_term (other);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction (SIGALRM, &action, NULL);
    void *context = zmq_ctx_new ();
    over (context, NULL);
    over (context, "tcp://127.0.0.1:*");
    over (context, "ipc://*");
    SAY (zmq_ctx_term (context));
    proxying ("tcp://127.0.0.1:*");
    proxying ("ipc://*");
    terminating ("tcp://127.0.0.1:*");
    terminating ("ipc://*");
    return 0;
}
