/* What no program should do, and libzmq does not survive everywhere: it is an error here, and nothing else happens. This one
 * runs with our library alone. */
#include "say.h"
#include <sys/wait.h>

static void *close_it (void *socket)
{
    usleep (100000);
    zmq_close (socket);
    return NULL;
}

static void *flood (void *socket)
{
    for (int i = 0; i < 20000; i++)
        zmq_send (socket, &i, sizeof i, 0);
    return NULL;
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    void *context = zmq_ctx_new ();
    void *socket = make (context, ZMQ_PULL);
    int number = 4711;
    void *memory = malloc (500);
    void *foreign[] = {NULL, &number, context, (char *) socket + 1, (void *) 8, memory};
    zmq_msg_t msg;
    zmq_msg_init (&msg);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        SAY (zmq_close (foreign[i]));
        SAY (zmq_send (foreign[i], "", 0, 0));
        SAY (zmq_msg_recv (&msg, foreign[i], 0));
        SAY (zmq_bind (foreign[i], "inproc://a"));
        SAY (zmq_setsockopt (foreign[i], ZMQ_LINGER, &number, sizeof number));
        zmq_pollitem_t item = {foreign[i], 0, ZMQ_POLLIN, 0};
        if (foreign[i])
            SAY (zmq_poll (&item, 1, 0));
        if (foreign[i] != context)
            SAY (zmq_ctx_term (foreign[i]));
        SAY (zmq_proxy (foreign[i], socket, NULL));
    }
    SAY (zmq_socket (socket, ZMQ_PUB) == NULL);
    zmq_msg_t nothing;
    memset (&nothing, 0x55, sizeof nothing);
    SAY (zmq_msg_send (&nothing, socket, 0));
    SAY (zmq_msg_recv (&nothing, socket, 0));
    SAY (zmq_msg_copy (&msg, &nothing));
    SAY (zmq_msg_move (&nothing, &msg));
    SAY (zmq_msg_close (NULL));
    SAY (zmq_msg_close (&msg));
    SAY (zmq_msg_close (&msg));
    SAY (zmq_msg_data (&msg) == NULL);
    SAY (zmq_recv (socket, NULL, 10, 0));
    SAY (zmq_send (socket, NULL, 10, 0));
    SAY (zmq_bind (socket, NULL));
    SAY (zmq_connect (socket, NULL));

    /* What could be tried for ever. */
    static const char *vain[] = {
        "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:1x", "tcp://127.0.0.256:1", "tcp://[::1:1",
        "tcp://[::1]:1", "tcp://nothing0;127.0.0.1:2", "ipc:///"};
    for (size_t i = 0; i < sizeof vain / sizeof vain[0]; i++)
        SAY (zmq_connect (socket, vain[i]));
    SAY (zmq_bind (socket, "tcp://127.0.0.1:1x"));
    SAY (zmq_bind (socket, "tcp://localhost:*"));
    SAY (zmq_bind (socket, "inproc://pull"));
    SAY (zmq_connect (socket, "inproc://pull"));

    /* Closed while another thread is in it, and twice. */
    pthread_t threads[4];
    set (socket, ZMQ_RCVTIMEO, -1);
    pthread_create (&threads[0], NULL, close_it, socket);
    SAY (zmq_recv (socket, NULL, 0, 0));
    pthread_join (threads[0], NULL);
    SAY (zmq_close (socket));
    SAY (zmq_recv (socket, NULL, 0, 0));

    /* Many threads on one socket. */
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    set (pull, ZMQ_RCVTIMEO, 10000);
    join (pull, push, "tcp://127.0.0.1:*");
    for (int i = 0; i < 4; i++)
        pthread_create (&threads[i], NULL, flood, push);
    long sum = 0;
    for (int i = 0; i < 4 * 20000; i++) {
        assert (zmq_recv (pull, &number, sizeof number, 0) == sizeof number);
        sum += number;
    }
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    printf ("%ld\n", sum - 4L * 20000 * 19999 / 2);

    /* After the end has begun a socket's options are there for those who close it. */
    void *other = zmq_ctx_new ();
    socket = make (other, ZMQ_PUSH);
    SAY (zmq_ctx_shutdown (other));
    SAY (zmq_send (socket, "", 0, 0));
    number = 0;
    SAY (zmq_setsockopt (socket, ZMQ_LINGER, &number, sizeof number));
    SAY (get (socket, ZMQ_TYPE));
    zmq_close (socket);
    SAY (zmq_ctx_term (other));

    /* Threads as the system does not have them. */
    other = zmq_ctx_new ();
    SAY (zmq_ctx_set (other, ZMQ_THREAD_SCHED_POLICY, 4711));
    SAY (zmq_socket (other, ZMQ_PUSH) == NULL);
    puts (name_of (zmq_errno ()));
    SAY (zmq_ctx_set (other, ZMQ_THREAD_SCHED_POLICY, 0));
    SAY (zmq_ctx_set (other, ZMQ_THREAD_AFFINITY_CPU_ADD, 1000000));
    SAY (zmq_socket (other, ZMQ_PUSH) == NULL);
    puts (name_of (zmq_errno ()));
    SAY (zmq_ctx_set (other, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 1000000));
    SAY (zmq_close (make (other, ZMQ_PUSH)));
    SAY (zmq_ctx_term (other));

    /* The limit for messages is kept to, where libzmq remembers it and that is all. */
    other = zmq_ctx_new ();
    SAY (zmq_ctx_set (other, ZMQ_MAX_MSGSZ, 1000));
    void *sender = make (other, ZMQ_PUSH), *receiver = make (other, ZMQ_PULL), *monitor = make (other, ZMQ_PAIR);
    join (receiver, sender, "tcp://127.0.0.1:*");
    SAY (zmq_socket_monitor (receiver, "inproc://limit", ZMQ_EVENT_DISCONNECTED));
    zmq_connect (monitor, "inproc://limit");
    char large[1001] = "";
    SAY (zmq_send (sender, large, 1000, 0));
    SAY (zmq_recv (receiver, large, 1001, 0));
    SAY (zmq_send (sender, large, 1001, 0));
    SAY (zmq_recv (monitor, NULL, 0, 0));
    SAY (zmq_recv (receiver, NULL, 0, ZMQ_DONTWAIT));
    zmq_close (monitor);
    zmq_close (sender);
    zmq_close (receiver);
    SAY (zmq_ctx_term (other));

    /* A child has no sockets of its parent's. */
    pid_t child = fork ();
    if (child == 0) {
        int rc = zmq_send (push, "from a child", 12, 0);
        rc = rc == -1 && zmq_errno () == ETERM && zmq_close (push) == 0 && zmq_close (pull) == 0
             && zmq_ctx_term (context) == 0;
        void *own = zmq_ctx_new (), *a = make (own, ZMQ_PAIR), *b = make (own, ZMQ_PAIR);
        join (a, b, "inproc://own");
        zmq_send (a, "x", 1, 0);
        rc = rc && zmq_recv (b, NULL, 0, 0) == 1 && zmq_close (a) == 0 && zmq_close (b) == 0 && zmq_ctx_term (own) == 0;
        _exit (rc ? 0 : 1);
    }
    int status;
    waitpid (child, &status, 0);
    printf ("child %d\n", status);
    SAY (zmq_send (push, "goes on", 7, 0));
    show (pull, 0);
    zmq_close (push);
    zmq_close (pull);
    SAY (zmq_ctx_term (context));
    SAY (zmq_ctx_term (context));
    free (memory);
    return 0;
}
