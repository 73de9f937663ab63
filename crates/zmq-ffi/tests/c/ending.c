/* The end: calls that are blocked, messages that linger, contexts that wait. */
#include "say.h"

static void *context;
/* By the other thread. */
static char told[100];

static void *blocked (void *socket)
{
    char buffer[8];
    int rc = zmq_recv (socket, buffer, sizeof buffer, 0);
    snprintf (told, sizeof told, "blocked: %d %s", rc, name_of (zmq_errno ()));
    zmq_close (socket);
    return NULL;
}

static void *poller (void *socket)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    int rc = zmq_poll (&item, 1, -1);
    snprintf (told, sizeof told, "polling: %d %s", rc, name_of (zmq_errno ()));
    zmq_close (socket);
    return NULL;
}

static void *proxying (void *sockets)
{
    void **s = sockets;
    int rc = zmq_proxy (s[0], s[1], NULL);
    snprintf (told, sizeof told, "proxy: %d %s", rc, name_of (zmq_errno ()));
    zmq_close (s[0]);
    zmq_close (s[1]);
    return NULL;
}

static void *terminate (void *unused)
{
    (void) unused;
    int rc = zmq_ctx_term (context);
    snprintf (told, sizeof told, "terminated: %d", rc);
    return NULL;
}

static void on_signal (int number)
{
    (void) number;
}

static void *interrupt (void *thread)
{
    for (int i = 0; i < 2; i++) {
        usleep (100000);
        pthread_kill (*(pthread_t *) thread, SIGALRM);
    }
    return NULL;
}

static void *receive_late (void *socket)
{
    usleep (200000);
    for (int i = 0; i < 1000; i++) {
        int number;
        assert (zmq_recv (socket, &number, sizeof number, 0) == sizeof number);
        assert (number == i);
    }
    strcpy (told, "all of it");
    zmq_close (socket);
    return NULL;
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    static const char *endpoints[] = {"inproc://end", "tcp://127.0.0.1:*", "ipc://*"};
    void *(*calls[]) (void *) = {blocked, poller};
    for (int call = 0; call < 2; call++)
        for (int i = 0; i < 3; i++) {
            context = zmq_ctx_new ();
            void *socket = zmq_socket (context, ZMQ_PULL);
            set (socket, ZMQ_LINGER, 0);
            zmq_bind (socket, endpoints[i]);
            pthread_t thread;
            pthread_create (&thread, NULL, calls[call], socket);
            usleep (50000);
            SAY (zmq_ctx_term (context));
            pthread_join (thread, NULL);
            puts (told);
        }

    context = zmq_ctx_new ();
    void *sockets[] = {zmq_socket (context, ZMQ_ROUTER), zmq_socket (context, ZMQ_DEALER)};
    pthread_t thread;
    pthread_create (&thread, NULL, proxying, sockets);
    usleep (50000);
    SAY (zmq_ctx_shutdown (context));
    SAY (zmq_ctx_shutdown (context));
    pthread_join (thread, NULL);
    puts (told);
    SAY (zmq_ctx_term (context));

    /* The context waits for an open socket. */
    context = zmq_ctx_new ();
    void *socket = zmq_socket (context, ZMQ_PUB);
    pthread_create (&thread, NULL, terminate, NULL);
    usleep (100000);
    puts ("still there");
    SAY (zmq_send (socket, "", 0, 0));
    SAY (zmq_close (socket));
    pthread_join (thread, NULL);
    puts (told);

    /* And for what was sent: there is no limit to lingering. */
    void *other = zmq_ctx_new ();
    for (int i = 1; i < 3; i++) {
        context = zmq_ctx_new ();
        void *pull = make (other, ZMQ_PULL), *push = zmq_socket (context, ZMQ_PUSH);
        printf ("lingers %d\n", get (push, ZMQ_LINGER));
        /* With room for one, libzmq loses some of it now and then when the sender has closed. */
        set (pull, ZMQ_RCVHWM, 10);
        set (push, ZMQ_SNDHWM, 0);
        join (pull, push, endpoints[i]);
        pthread_create (&thread, NULL, receive_late, pull);
        for (int number = 0; number < 1000; number++)
            zmq_send (push, &number, sizeof number, 0);
        zmq_close (push);
        SAY (zmq_ctx_term (context));
        pthread_join (thread, NULL);
        puts (told);
    }

    /* A signal ends the wait for it; the next wait is for the same. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction (SIGALRM, &action, NULL);
    pthread_t self = pthread_self ();
    for (int i = 1; i < 3; i++) {
        void *pull = make (other, ZMQ_PULL);
        char endpoint[256];
        size_t size = sizeof endpoint;
        /* The directory of a name that is made up goes with it. */
        zmq_bind (pull, i == 1 ? endpoints[i] : "ipc://patience");
        zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &size);
        SAY (zmq_unbind (pull, endpoint));
        context = zmq_ctx_new ();
        void *push = zmq_socket (context, ZMQ_PUSH);
        SAY (zmq_connect (push, endpoint));
        SAY (zmq_send (push, "patience", 8, 0));
        SAY (zmq_close (push));
        pthread_create (&thread, NULL, interrupt, &self);
        SAY (zmq_ctx_term (context));
        SAY (zmq_ctx_term (context));
        SAY (zmq_socket (context, ZMQ_PUSH) == NULL);
        printf ("%s\n", name_of (zmq_errno ()));
        pthread_join (thread, NULL);
        for (int try = 0; try < 1000 && zmq_bind (pull, endpoint) != 0; try++)
            usleep (10000);
        SAY (zmq_ctx_term (context));
        show (pull, 0);
        zmq_close (pull);
    }
    SAY (zmq_ctx_term (other));

    /* Without lingering what nobody takes is given up. */
    context = zmq_ctx_new ();
    zmq_ctx_set (context, ZMQ_BLOCKY, 0);
    void *push = zmq_socket (context, ZMQ_PUSH);
    printf ("lingers %d\n", get (push, ZMQ_LINGER));
    zmq_connect (push, "tcp://127.0.0.1:1");
    zmq_send (push, "lost", 4, 0);
    zmq_close (push);
    SAY (zmq_ctx_term (context));
    return 0;
}
