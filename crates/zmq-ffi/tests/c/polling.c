/* Waiting: zmq_poll, ZMQ_FD, signals, timers. */
#include "say.h"
#include <poll.h>
#include <sys/time.h>

static void on_signal (int number)
{
    (void) number;
}

/* A signal in 100 ms, and again every 100 ms. */
static void alarms (int on)
{
    struct itimerval timer = {{0, on ? 100000 : 0}, {0, on ? 100000 : 0}};
    setitimer (ITIMER_REAL, &timer, NULL);
}

static void *send_later (void *socket)
{
    usleep (100000);
    zmq_send (socket, "later", 5, 0);
    return NULL;
}

static int ticks;

static void tick (int timer, void *argument)
{
    (void) timer;
    ticks += *(int *) argument;
}

static void poll_sockets (void *context, const char *wild)
{
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    join (pull, push, wild);
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0}, {push, 0, ZMQ_POLLOUT, 0}};
    SAY (zmq_poll (items, 1, 0));
    SAY (zmq_poll (items, 1, 20));
    while (zmq_poll (items + 1, 1, 1000) == 0)
        ;
    printf ("%d\n", items[1].revents);
    zmq_send (push, "a", 1, 0);
    SAY (zmq_poll (items, 1, 10000));
    printf ("%d\n", items[0].revents);
    show (pull, 0);
    SAY (zmq_poll (items, 2, 10000));
    printf ("%d %d\n", items[0].revents, items[1].revents);
    zmq_send (push, "b", 1, ZMQ_SNDMORE);
    zmq_send (push, "c", 1, 0);
    SAY (zmq_poll (items, 1, 10000));
    SAY (zmq_recv (pull, NULL, 0, 0));
    SAY (zmq_poll (items, 1, 0));
    SAY (zmq_recv (pull, NULL, 0, 0));
    SAY (zmq_poll (items, 1, 0));
    pthread_t thread;
    pthread_create (&thread, NULL, send_later, push);
    SAY (zmq_poll (items, 1, -1));
    pthread_join (thread, NULL);
    show (pull, 0);

    /* Between sockets and descriptors. */
    int ends[2];
    assert (pipe (ends) == 0);
    zmq_pollitem_t mixed[] = {
        {pull, 0, ZMQ_POLLIN, 0}, {NULL, ends[0], ZMQ_POLLIN, 0}, {NULL, ends[1], ZMQ_POLLOUT, 0}};
    SAY (zmq_poll (mixed, 3, 0));
    printf ("%d %d %d\n", mixed[0].revents, mixed[1].revents, mixed[2].revents);
    SAY (zmq_poll (mixed, 2, 20));
    assert (write (ends[1], "x", 1) == 1);
    SAY (zmq_poll (mixed, 2, 10000));
    printf ("%d %d\n", mixed[0].revents, mixed[1].revents);
    close (ends[1]);
    char byte;
    assert (read (ends[0], &byte, 1) == 1);
    SAY (zmq_poll (mixed, 2, 10000));
    printf ("%d\n", mixed[1].revents & ZMQ_POLLERR);
    close (ends[0]);
    int file = open ("/dev/null", O_RDWR);
    zmq_pollitem_t files[] = {{NULL, file, ZMQ_POLLIN | ZMQ_POLLOUT, 0}};
    SAY (zmq_poll (files, 1, 10000));
    printf ("%d\n", files[0].revents);
    close (file);

    /* An event loop of somebody else: the descriptor tells of news, ZMQ_EVENTS of what there is. */
    struct pollfd fd = {get (pull, ZMQ_FD), POLLIN, 0};
    for (int i = 0; i < 100; i++) {
        zmq_send (push, "tell", 4, 0);
        while (!(get (pull, ZMQ_EVENTS) & ZMQ_POLLIN))
            if (poll (&fd, 1, 10000) != 1)
                puts ("nothing told of a message");
        char buffer[8];
        assert (zmq_recv (pull, buffer, 8, ZMQ_DONTWAIT) == 4);
    }
    zmq_send (push, "waits", 5, 0);
    usleep (100000);
    for (int i = 0; i < 20 && poll (&fd, 1, 20) == 1; i++)
        get (pull, ZMQ_EVENTS);
    printf ("quiet %d, and there is %d\n", poll (&fd, 1, 20), get (pull, ZMQ_EVENTS));
    zmq_close (push);
    zmq_close (pull);
}

/* Nothing, what is no descriptor, the same twice, and what nobody asked for. */
static void odd_items (void *context)
{
    SAY (zmq_poll (NULL, 0, 0));
    SAY (zmq_poll (NULL, 0, 10));
    SAY (zmq_poll (NULL, -1, 0));
    SAY (zmq_poll (NULL, 1, 10));
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    join (pull, push, "inproc://odd");
    zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, -1},   {pull, 0, ZMQ_POLLIN, -1},
                              {pull, 0, 0, -1},            {push, -1, ZMQ_POLLIN, -1},
                              {pull, 0, ZMQ_POLLOUT, -1}, {push, 0, ZMQ_POLLERR | ZMQ_POLLPRI, -1}};
    SAY (zmq_poll (items, -1, 0));
    SAY (zmq_poll (items, 0, 0));
    printf ("%d\n", items[0].revents);
    SAY (zmq_poll (items, 6, 0));
    for (int i = 0; i < 6; i++)
        printf (" %d", items[i].revents);
    SAY (zmq_send (push, "one", 3, 0));
    /* Any negative time is for ever. */
    SAY (zmq_poll (items, 6, -1000));
    for (int i = 0; i < 6; i++)
        printf (" %d", items[i].revents);
    show (pull, 0);
    SAY (zmq_poll (items, 6, 10));
    for (int i = 0; i < 6; i++)
        printf (" %d", items[i].revents);
    int ends[2];
    assert (pipe (ends) == 0);
    zmq_pollitem_t files[] = {{NULL, ends[0], ZMQ_POLLIN, -1}, {NULL, ends[0], ZMQ_POLLIN, -1},
                              {NULL, ends[1], 0, -1},          {pull, 0, ZMQ_POLLIN, -1}};
    SAY (zmq_poll (files, 4, 10));
    assert (write (ends[1], "x", 1) == 1);
    SAY (zmq_poll (files, 4, 1000));
    printf ("%d %d %d %d\n", files[0].revents, files[1].revents, files[2].revents, files[3].revents);
    close (ends[0]);
    close (ends[1]);
    SAY (zmq_poll (files, 2, 1000));
    printf ("%d %d\n", files[0].revents, files[1].revents);
    files[0].fd = -1;
    SAY (zmq_poll (files, 1, 10));
    printf ("%d\n", files[0].revents);
    zmq_close (push);
    zmq_close (pull);
}

static void signals (void *context, const char *wild)
{
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    set (pull, ZMQ_RCVTIMEO, -1);
    set (push, ZMQ_SNDTIMEO, -1);
    alarms (1);
    SAY (zmq_send (push, "nobody", 6, 0));
    SAY (zmq_recv (pull, NULL, 0, 0));
    join (pull, push, wild);
    alarms (0);
    zmq_send (push, "a", 1, 0);
    show (pull, 0);
    alarms (1);
    SAY (zmq_recv (pull, NULL, 0, 0));
    zmq_pollitem_t item = {pull, 0, ZMQ_POLLIN, 0};
    SAY (zmq_poll (&item, 1, -1));
    void *front = make (context, ZMQ_ROUTER), *back = make (context, ZMQ_DEALER);
    SAY (zmq_proxy (front, back, NULL));
    alarms (0);
    zmq_close (front);
    zmq_close (back);
    zmq_close (push);
    zmq_close (pull);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction (SIGALRM, &action, NULL);
    void *context = zmq_ctx_new ();
    poll_sockets (context, "inproc://poll");
    poll_sockets (context, "tcp://127.0.0.1:*");
    poll_sockets (context, "ipc://*");
    odd_items (context);
    signals (context, "inproc://signals");
    signals (context, "tcp://127.0.0.1:*");

    /* An open socket keeps the context; a signal ends the wait for it. */
    void *open_socket = make (context, ZMQ_PUSH);
    alarms (1);
    SAY (zmq_ctx_term (context));
    alarms (0);
    SAY (zmq_send (open_socket, "", 0, 0));
    zmq_close (open_socket);
    SAY (zmq_ctx_term (context));

    void *timers = zmq_timers_new ();
    int one = 1, hundred = 100;
    SAY (zmq_timers_timeout (timers));
    int fast = zmq_timers_add (timers, 20, tick, &one), slow = zmq_timers_add (timers, 10000, tick, &hundred);
    SAY (zmq_timers_execute (timers));
    printf ("%d\n", ticks);
    for (int i = 0; i < 3; i++) {
        usleep (1000 * zmq_timers_timeout (timers) + 1000);
        zmq_timers_execute (timers);
    }
    printf ("%d\n", ticks);
    SAY (zmq_timers_set_interval (timers, slow, 5));
    SAY (zmq_timers_cancel (timers, fast));
    SAY (zmq_timers_cancel (timers, fast));
    SAY (zmq_timers_reset (timers, 4711));
    usleep (7000);
    zmq_timers_execute (timers);
    printf ("%d\n", ticks);
    SAY (zmq_timers_destroy (&timers));
    printf ("%d\n", timers == NULL);

    void *counter = zmq_atomic_counter_new ();
    zmq_atomic_counter_set (counter, 1);
    SAY (zmq_atomic_counter_inc (counter));
    SAY (zmq_atomic_counter_dec (counter));
    SAY (zmq_atomic_counter_dec (counter));
    SAY (zmq_atomic_counter_value (counter));
    zmq_atomic_counter_destroy (&counter);
    printf ("%d\n", counter == NULL);
    void *watch = zmq_stopwatch_start ();
    usleep (1000);
    printf ("%d\n", zmq_stopwatch_intermediate (watch) >= 1000);
    printf ("%d\n", zmq_stopwatch_stop (watch) >= 1000);
    return 0;
}
