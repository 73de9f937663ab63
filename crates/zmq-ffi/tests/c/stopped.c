/* A process that is stopped and goes on, as under job control and in a debugger: what it waits in waits on. */
#include "say.h"
#include <sys/wait.h>

static int ask[2], answer[2], silent[2];
static void *sender, *late;
static char server_endpoint[256];

static int is_stopped (pid_t process)
{
    char name[64], line[256];
    int stopped = 0;
    snprintf (name, sizeof name, "/proc/%d/status", (int) process);
    FILE *status = fopen (name, "r");
    assert (status);
    while (fgets (line, sizeof line, status))
        stopped |= strncmp (line, "State:\tT", 8) == 0;
    fclose (status);
    return stopped;
}

/* In the child: stops the parent and lets it go on a few times, whenever it is asked to. */
static void stop_when_asked (pid_t parent)
{
    char asked;
    while (read (ask[0], &asked, 1) == 1) {
        for (int i = 0; i < 5; i++) {
            usleep (30000);
            kill (parent, SIGSTOP);
            while (!is_stopped (parent))
                usleep (1000);
            kill (parent, SIGCONT);
        }
        usleep (30000);
        assert (write (answer[1], &asked, 1) == 1);
    }
    _exit (0);
}

static void stop_and_go (void)
{
    char byte = 0;
    assert (write (ask[1], &byte, 1) == 1 && read (answer[0], &byte, 1) == 1);
}

static void *then_send (void *unused)
{
    stop_and_go ();
    assert (zmq_send (sender, "later", 5, 0) == 5);
    return unused;
}

static void *then_connect (void *unused)
{
    stop_and_go ();
    assert (zmq_connect (late, server_endpoint) == 0);
    return unused;
}

static void *then_close (void *socket)
{
    stop_and_go ();
    zmq_close (socket);
    return NULL;
}

static pthread_t begin (void *(*run) (void *), void *argument)
{
    pthread_t thread;
    assert (pthread_create (&thread, NULL, run, argument) == 0);
    return thread;
}

static void try_over (const char *endpoint, const char *other)
{
    puts (endpoint);
    void *context = zmq_ctx_new ();
    void *receiver = make (context, ZMQ_PULL);
    sender = make (context, ZMQ_PUSH);
    join (receiver, sender, endpoint);
    set (receiver, ZMQ_RCVTIMEO, -1);

    pthread_t thread = begin (then_send, NULL);
    show (receiver, 0);
    pthread_join (thread, NULL);

    /* With a limit. */
    set (receiver, ZMQ_RCVTIMEO, 100000);
    thread = begin (then_send, NULL);
    show (receiver, 0);
    pthread_join (thread, NULL);

    thread = begin (then_send, NULL);
    zmq_pollitem_t items[] = {{receiver, 0, ZMQ_POLLIN, 0}, {NULL, silent[0], ZMQ_POLLIN, 0}};
    SAY (zmq_poll (items, 1, -1));
    show (receiver, 0);
    pthread_join (thread, NULL);

    /* With a descriptor that says nothing. */
    thread = begin (then_send, NULL);
    SAY (zmq_poll (items, 2, 100000));
    show (receiver, 0);
    pthread_join (thread, NULL);

    /* Nobody takes it until somebody comes. */
    void *server = make (context, ZMQ_PUSH);
    set (server, ZMQ_SNDTIMEO, -1);
    size_t size = sizeof server_endpoint;
    assert (zmq_bind (server, other) == 0);
    assert (zmq_getsockopt (server, ZMQ_LAST_ENDPOINT, server_endpoint, &size) == 0);
    late = make (context, ZMQ_PULL);
    thread = begin (then_connect, NULL);
    SAY (zmq_send (server, "who comes", 9, 0));
    show (late, 0);
    pthread_join (thread, NULL);

    zmq_close (server);
    zmq_close (receiver);
    zmq_close (sender);
    thread = begin (then_close, late);
    SAY (zmq_ctx_term (context));
    pthread_join (thread, NULL);
}

int main (void)
{
    assert (pipe (ask) == 0 && pipe (answer) == 0 && pipe (silent) == 0);
    pid_t parent = getpid (), child = fork ();
    assert (child >= 0);
    if (child == 0) {
        close (ask[1]);
        stop_when_asked (parent);
    }
    try_over ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*");
    try_over ("ipc://*", "ipc://*");
    try_over ("inproc://one", "inproc://other");
    close (ask[1]);
    int status;
    SAY (waitpid (child, &status, 0) == child && status == 0);
    return 0;
}
